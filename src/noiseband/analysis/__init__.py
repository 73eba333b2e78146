"""From what the other stages left on disk to the study's tables: every number that a page shows.

| module | answers |
|---|---|
| `tables` | writes `tables/*.csv` and `answers.parquet`; the runs themselves |
| `inference` | which runs count; verdicts, and stacks against their parts |
| `assumptions` | do the runs scatter as the verdicts' intervals take them to? |
| `noise` | how far do runs of one recipe scatter, by seed and by machine? |
| `factorial` | what does the factorial design say, and what can it not tell apart? |
| `pretrained` | how much of the way to another model is closed? |
| `repeats` | how many more runs does a study need before it can say anything? |
| `contamination` | what of the test window was trained on? |
| `scores`, `agreement`, `tuning` | what do fine-tuned models' scores say, and how firmly? |
| `answers` | every judged answer |
| `traces` | training curves, in few enough points to be drawn |

`rows` and `tuning_rows` are the tables' columns, `sources` reads files. The mathematics is in
`stats/`.
"""
