"""Signal or noise: pure functions on tables of finished runs.

Nothing here reads a file or knows about another stage. Losses are in nats; an effect is a
difference from the baseline, so a negative effect is a lower loss: better.

| module | answers |
|---|---|
| `verdicts` | did this intervention help, or is it noise? |
| `noise` | how much do runs of one recipe scatter, and by which seed? |
| `additivity` | is a stack's effect the sum of its interventions' effects? |
| `documents` | how far does a difference depend on the documents of the test set? |
| `gap` | how much of the gap to a pretrained model is closed? |
| `looks` | what does a look cost, if a study is judged while it grows? |
| `anytime` | what may be said at any number of looks? |

These build on `distinct` and `pool` (which runs are evidence), `sources` and `mixed` (the model,
with seeds as random effects), `family` (intervals that hold together), `levels` (the noise of the
arms' means themselves), `own` (one intervention without the others), `without` (a large study
without one arm), `maxt` (the multivariate t distribution) and `power` (seeds needed). Factorial
designs and fine-tuning scores use ordinary `least_squares` with `simultaneous` intervals. `student`
and `sobol` spare the verdicts the import of `scipy.stats`.
"""
