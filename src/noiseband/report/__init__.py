"""Tables, figures and one page: what a person reads of a study.

| module | makes |
|---|---|
| `tables` | `tables/*.csv` and `answers.parquet`, from what the other stages left on disk |
| `figures` | `figures/*.svg`, from the tables and traces |
| `page` | `report.html`, from all of these |

Each stage reads the files of the one before it, and all are pure functions of those files.

Below these: `rows` (what a table's row holds, and its CSV), `sources` (reading files), `inference`
(the tables as `stats/` wants them), `scores`, `answers`, `contamination`, `traces`; for figures
`palette`, `svg`, `training`, `panels` and a `chart_*` for each picture; for the page `words`
(numbers and sentences), `hostile` (text that models wrote), `provenance`, a `view_*` for each part
that needs more than a table, and `templates/`. While a study runs: `progress` and `partial`, and
`track` with `trackers` for those who follow it in a tracker.
"""
