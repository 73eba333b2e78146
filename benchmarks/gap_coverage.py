"""How often intervals for the share of a gap cover the true shares, on simulated studies.

python -m benchmarks.gap_coverage                  # up to 2,000 studies of each design and scatter
python -m benchmarks.gap_coverage --studies 200    # faster

Every study is drawn from fixed seeds and goes through the code of the verdicts and the shares,
except that no intervention is taken for one out of line.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.many_studies import Row, Studies, complete, each_arm, names, nested, pocket
from noiseband.stats.family import family
from noiseband.stats.gap import intervals
from noiseband.stats.least_squares import BASELINE
from noiseband.stats.mixed import fit_sources

ALPHA = 0.05
GAP = 30.0
"""The true gap, in SDs of the rest."""
SDS = (0.0, 1.0, 3.0, 10.0)
"""SDs of the effects of a source's seeds, over that of the rest."""
SHARES = (0.5, 0.0, 0.3, 1.0)
"""True shares of the interventions, in this order and from the start again."""


@dataclass(frozen=True)
class Coverage:
    """How often all intervals of a study contained the true shares."""

    design: str
    interventions: int
    sds: tuple[float, ...]
    """SDs of the effects of the seeds of each source, over that of the rest."""
    studies: int
    coverage: float
    """Share of studies; an unbounded interval contains every share."""
    unbounded: float
    """Share of intervals that are unbounded, because the gap is not clearly different from 0."""
    half_width: float | None
    """Median of half the length of the bounded intervals, as a share of the gap."""
    contradictions: int
    """Intervals that exclude 0 although the verdict is `within noise`."""


def own_seeds(interventions: int) -> Studies:
    """No two runs share a seed: five of the baseline, and three of each intervention."""
    rows = each_arm([BASELINE], range(5))
    for number, arm in enumerate(names(interventions), 1):
        rows += each_arm([arm], range(100 * number, 100 * number + 3))
    return Studies("every run on a seed of its own", rows)


def crossed(interventions: int) -> Studies:
    """The baseline on 3 x 3 initial and training seeds, and interventions on two pairs of them."""
    rows: list[Row] = [(BASELINE, init, 0, train) for init in (1, 2, 3) for train in (1, 2, 3)]
    rows += [(arm, seed, 0, seed) for arm in names(interventions) for seed in (1, 2)]
    return Studies("crossed initial weights and training", rows)


def cells(studies: int) -> Iterator[tuple[Studies, tuple[float, ...], int]]:
    """Designs with SDs of their sources, and numbers of studies: fewer where one takes longer."""
    yield own_seeds(1), (), studies
    for seeds, sd in product((2, 3, 5), SDS):
        yield complete(seeds, 1), (sd,), studies
    yield own_seeds(8), (), studies // 4
    for sd in SDS:
        yield complete(3, 8), (sd,), studies // 4
        yield nested(2), (sd,), studies // 4
    for sd in SDS[:3]:
        yield crossed(1), (sd, sd), studies // 2
        yield crossed(8), (sd, sd), studies // 4
        yield pocket(1), (sd, sd, sd), studies // 10
        yield pocket(8), (sd, sd, sd), studies // 20


def simulate(design: Studies, sds: Sequence[float], studies: int) -> Coverage:
    """Draw studies of a design, and count."""
    arms = design.model.arms
    true = np.resize(SHARES, len(arms) - 1)
    level = dict(zip(arms, [GAP, *(GAP - GAP * true)], strict=True))
    levels = design.table["intervention"].map(level).to_numpy(np.float64)
    rng = np.random.default_rng(zlib.crc32(repr((design.name, len(arms), tuple(sds))).encode()))
    covered = contradictions = 0
    widths: list[float] = []
    for losses in design.draw(sds, studies, rng):
        model = fit_sources(design.table.assign(value=losses + levels), design.model.sources)
        effects = family(model, [{name: 1.0} for name in arms[1:]], ALPHA).estimates
        critical = max(one.half_width / one.se for one in effects if one.half_width and one.se)
        found = intervals(model, critical, 0.0, ALPHA)
        ends = [found[name] for name in arms[1:]]
        covered += all(
            one is None or one[0] <= share <= one[1] for one, share in zip(ends, true, strict=True)
        )
        for one, effect in zip(ends, effects, strict=True):
            if one is not None and effect.low is not None and effect.high is not None:
                widths.append((one[1] - one[0]) / 2)
                contradictions += effect.low <= 0 <= effect.high and not one[0] <= 0 <= one[1]
    return Coverage(
        design=design.name,
        interventions=len(arms) - 1,
        sds=tuple(sds),
        studies=studies,
        coverage=covered / studies,
        unbounded=1.0 - len(widths) / (studies * len(true)),
        half_width=float(np.median(widths)) if widths else None,
        contradictions=contradictions,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gap_coverage.json"))
    options = parser.parse_args()
    found = []
    for design, sds, studies in cells(options.studies):
        found.append(simulate(design, sds, max(1, studies)))
        print(found[-1], flush=True)
    rows = [asdict(one) for one in found]
    options.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
