"""The published series "Writing an LLM from scratch", parts 32a to 32m, as data.

`runs.csv` and `scores.csv` have its results, and `figures.csv` what it computed from them. This
package recomputes the figures and marks the mistakes; `comparison` compares a study's own losses.
"""
