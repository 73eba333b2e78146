"""The time of runs that a command makes: measured, because nothing else is known of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from noiseband.io.files import read_json
from noiseband.study import Study
from noiseband.study.command_params import RESULT


def measured_seconds(study: Study) -> dict[str, float]:
    """The seconds of each finished run of the study's current recipes that was not interrupted."""
    found = {}
    for name, run in study.runs.items():
        folder = study.paths.run(name)
        try:
            made = read_json(folder / "recipe.json")["digest"]
            timing = read_json(folder / "timing.json")
            if made == run.recipe.digest and (folder / RESULT).exists() and not timing["resumed"]:
                found[name] = float(timing["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def expected(arms: Mapping[str, str], measured: Mapping[str, float]) -> dict[str, float | None]:
    """The seconds that each run takes, as far as finished runs show it.

    A run takes its own time, else the median of its arm, else the median of all finished runs.

    Args:
        arms: the intervention of each run, by its name.
        measured: the seconds of finished runs, by name.
    """

    def middle(runs: Iterable[str]) -> float | None:
        known = [measured[run] for run in runs if run in measured]
        return median(known) if known else None

    whole = middle(arms)
    by_arm = {arm: middle(run for run in arms if arms[run] == arm) for arm in set(arms.values())}
    return {
        run: measured.get(run, whole if by_arm[arm] is None else by_arm[arm])
        for run, arm in arms.items()
    }


def expected_seconds(study: Study) -> dict[str, float | None]:
    """The seconds that each run of a study takes; None for all before the first is finished."""
    arms = {run.name: run.intervention for run in study.runs.values()}
    return expected(arms, measured_seconds(study))
