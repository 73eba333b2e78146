"""The figures and the page of a study.

| module | makes |
|---|---|
| `figures` | `figures/*.svg`, from the tables and traces |
| `page` | `report.html`, from tables, figures and records |
| `partial` | the page of a study that is still running |

Each is a pure function of files. Nothing here computes a statistic; `analysis/` has computed them
all. `views/` has a module for each part of the page that needs more than a table, with its
sentences and their order; `templates/` lays them out.

Helpers: `words` (numbers and sentences), `sanitize` (text that models wrote), `packed` (data for
the page's script).
"""
