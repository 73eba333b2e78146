"""Signal or noise: pure functions on tables of finished runs.

Nothing here reads a file or knows about another stage. Losses are in nats; an effect is a
difference from the baseline, so a negative effect is a lower loss: better.

| module | answers |
|---|---|
| `verdicts` | did this intervention help, or is it noise? |
| `noise` | how much do equal recipes scatter, and by which seed? |
| `additivity` | does a stack get what its interventions promise one by one? |
| `gap` | how much of the way to a reference run is closed? |

Below these: `least_squares` (the one model), `simultaneous` (intervals for a family of contrasts),
`maxt` (the multivariate t distribution), `power` (seeds needed).
"""
