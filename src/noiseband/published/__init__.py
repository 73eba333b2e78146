"""The published series "Writing an LLM from scratch", parts 32a to 32m, as data.

`runs.csv` and `scores.csv` are its results, `figures.csv` what it computed from them. Here they are
computed again, and its mistakes are marked; `comparison` sets a study's own losses beside them.
"""
