"""Compute the study's tables, with every number of the page, from the files of the other stages.

| module | answers |
|---|---|
| `tables` | writes `tables/*.csv` and `answers.parquet`; the runs themselves |
| `inference` | which runs count; verdicts, and stacks against their parts |
| `documents` | do two models differ, and would the recipe help on other texts? |
| `noise` | how far do runs of one recipe scatter, by seed and by machine? |
| `factorial` | what does the factorial design show, and which effects are aliased? |
| `pretrained` | how much of the way to another model is closed? |
| `repeats` | how many more runs does a study need before it can say anything? |
| `contamination` | how much of the test window was trained on? |
| `seen_questions` | how many questions did fine-tuned models see before? |
| `scores`, `agreement`, `tuning` | what do fine-tuned models' scores show, and how reliably? |
| `answers` | every judged answer |
| `traces` | training curves, reduced to few enough points to draw |

`rows` and `tuning_rows` define the tables' columns, and `sources` reads files. The mathematics is
in `stats/`.
"""
