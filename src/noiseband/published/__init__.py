"""The published series "Writing an LLM from scratch", parts 32a to 32m, as data.

`runs.csv` and `scores.csv` have the published results, and `figures.csv` has the figures that the
series computed from them. This package recomputes these figures and marks the series' mistakes;
`comparison` compares a study's own losses with the published ones.
"""
