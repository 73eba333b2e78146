"""A recipe's digest: it never changes by accident, and a field that is added changes no old one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest

from noiseband.study import load_study
from noiseband.study.architecture import Model
from noiseband.study.recipe import Recipe, difference
from noiseband.study.runs import apply
from noiseband.study.section import ADDED, flatten

# These never change without a line in CHANGELOG.md: a change retrains every study there is.
GOLDEN = {
    "config/config.yaml": (
        "baseline-1",
        "f4fd8d7b0eb4a1bc806c93e47af1c7ce92b7c4da32de4ecf52293b3c5ba136ac",
    ),
    "config/replication.yaml": (
        "8xa100m40-baseline",
        "477f4a7f213cbd1ecc86b2e7755f9fe9e724522a465bfb492985cc4c955b1336",
    ),
}


@pytest.mark.parametrize("config", GOLDEN)
def test_the_digests_of_published_recipes_stay_what_they_are(config: str) -> None:
    run, digest = GOLDEN[config]
    assert load_study(Path(config)).runs[run].built_in.digest == digest


class LaterModel(Model):
    """A model section with a field that 0.1.0 did not have."""

    soft_cap: Annotated[float | None, ADDED] = None
    """Neutral: no cap."""


class LaterRecipe(Recipe):
    """A recipe with such fields, in a section and of its own."""

    model: LaterModel
    averages: Annotated[list[int], ADDED] = []
    """Neutral: none."""


@pytest.fixture
def old() -> Recipe:
    return load_study(Path("config/config.yaml")).runs["baseline-1"].built_in


def later(recipe: Recipe, **changes: Any) -> LaterRecipe:
    data = recipe.model_dump()
    data["model"] |= {key: value for key, value in changes.items() if key == "soft_cap"}
    data |= {key: value for key, value in changes.items() if key == "averages"}
    return LaterRecipe.model_validate(data)


def test_a_neutral_new_field_changes_no_digest_and_no_file(old: Recipe) -> None:
    assert later(old).text == old.text
    assert later(old).digest == old.digest
    assert later(old, soft_cap=None, averages=[]).model_dump() == old.model_dump()
    assert LaterRecipe.model_validate_json(later(old).text) == later(old)


@pytest.mark.parametrize("changes", [{"soft_cap": 30.0}, {"averages": [2]}])
def test_another_value_of_a_new_field_is_another_recipe(
    old: Recipe, changes: dict[str, Any]
) -> None:
    changed = later(old, **changes)
    assert changed.digest != old.digest
    assert LaterRecipe.model_validate_json(changed.text) == changed
    ((key, (before, after)),) = difference(later(old), changed).items()
    assert (key.split(".")[-1], after) == next(iter(changes.items()))
    assert before in (None, [])


def test_an_intervention_may_name_a_new_field(old: Recipe) -> None:
    assert "model.soft_cap" in flatten(later(old).whole())
    changed = apply(later(old), {"model.soft_cap": 30.0})
    assert changed.model_dump()["model"]["soft_cap"] == 30.0
