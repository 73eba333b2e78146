"""Figures and one page: what a person reads of a study.

| module | makes |
|---|---|
| `figures` | `figures/*.svg`, from the tables and traces |
| `page` | `report.html`, from tables, figures and records |
| `partial` | the page of a study that is still running |

Each is a pure function of files. Nothing here computes a statistic: what the page says was computed
in `analysis/`. `views/` has a module for each part of the page that needs more than a table, in
words and in the order in which they are shown; `templates/` lays them out.

Below these: `words` (numbers and sentences), `sanitize` (text that models wrote), `packed` (data
for the page's script).
"""
