"""Templates of paths, and the fields that they find."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noiseband.errors import UserError
from noiseband.referee.columns import Choice, measurements
from noiseband.referee.paths import FIELDS, SEED_FIELDS, arm_from_path, with_path_fields
from noiseband.referee.raw import Raw
from noiseband.referee.readers.tables import read_csv


@pytest.mark.parametrize(
    ("template", "path", "fields"),
    [
        ("log/{arm}_{seed}.txt", "log/wide_3.txt", "arm=wide seed=3"),
        ("log/{arm}_{seed}.txt", "/home/me/log/very_wide_03.txt", "arm=very_wide seed=03"),
        ("./log/{arm}_{seed}.txt", "log/wide_3.txt", "arm=wide seed=3"),
        ("log/{arm}_{seed}.txt", "./x//log/wide_3.txt", "arm=wide seed=3"),
        ("runs/{arm}-s{seed}/*", "runs/a-s1/events.out.1", "arm=a seed=1"),
        ("{arm}-s{seed}", "runs/a-s1/", "arm=a seed=1"),
        ("{arm}/**/{run}.csv", "x/wide/1/2/last.csv", "arm=2 run=last"),
        ("x/{arm}/**/{run}.csv", "x/wide/1/2/last.csv", "arm=wide run=last"),
        ("x/{arm}/**/{run}.csv", "x/wide/last.csv", "arm=wide run=last"),
        ("x/{arm}/**", "x/wide/1/last.csv", "arm=wide"),
        ("{arm}?{init_seed}-{data_seed}-{train_seed}", "a_1-2-3",
         "arm=a init_seed=1 data_seed=2 train_seed=3"),
        ("/x/{arm}.csv", "/x/a.csv", "arm=a"),
        ("{arm}/{arm}.csv", "x/a/a.csv", "arm=a"),
        ("{arm}.csv", "x/a (1) [b].csv", "arm=a (1) [b]"),
        ("{arm} (1) [b].csv", "x/a (1) [b].csv", "arm=a"),
    ],
)  # fmt: skip
def test_a_template_finds_the_fields_of_a_path(template: str, path: str, fields: str) -> None:
    found = arm_from_path(template, path)
    assert " ".join(f"{name}={text}" for name, text in found.items()) == fields


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("log/{arm}_{seed}.txt", "log/wide_x.txt"),
        ("log/{arm}_{seed}.txt", "mylog/wide_3.txt"),
        ("log/{arm}_{seed}.txt", "log/wide_3.txt.gz"),
        ("log/{arm}.txt", "log/a/b.txt"),
        ("x/*/{arm}.txt", "x/a/b/c.txt"),
        ("/x/{arm}.csv", "x/a.csv"),
        ("/x/{arm}.csv", "/y/x/a.csv"),
        ("{arm}/{arm}.csv", "x/a/b.csv"),
    ],
)
def test_a_path_that_does_not_match_is_shown_with_its_template(template: str, path: str) -> None:
    with pytest.raises(UserError) as told:
        arm_from_path(template, path)
    assert f"--arm-from-path {template}: does not match {path}; write" in str(told.value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{am}_{seed}", r"no field \{am\}; did you mean arm\?"),
        ("{arm:d}", r"no field \{arm:d\}; did you mean arm\?"),
        ("{arm", r"no field \{; valid: arm, run, seed"),
        ("{arm}}", r"no field \}; valid"),
        ("{}", r"no field \{\}; valid"),
        ("runs/*", r"no field in it; write \{arm\}"),
    ],
)
def test_a_template_that_is_none_is_told(template: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        arm_from_path(template, "runs/a_1")
    assert str(told.value).startswith(f"--arm-from-path {template}: ")


NAMES = st.text(st.characters(categories=("L", "N", "P"), exclude_characters="/"), min_size=1)


@settings(max_examples=50)
@given(st.sampled_from(FIELDS), st.sampled_from(FIELDS), NAMES, st.integers(0, 10**6), NAMES)
def test_what_a_path_was_made_of_is_found(
    first: str, second: str, name: str, seed: int, folder: str
) -> None:
    values = {field: str(seed) if field in SEED_FIELDS else name for field in (first, second)}
    if {".", ".."} & {*values.values(), folder}:
        return
    path = f"{folder}/{values[first]}/x-{values[second]}.csv"
    assert arm_from_path(f"{{{first}}}/x-{{{second}}}.csv", path) == values


def raw(content: str) -> Raw:
    return read_csv(content, "log/wide_03.txt")


def test_the_fields_are_columns_of_every_row() -> None:
    found = with_path_fields(raw("step,loss\n1,3.5\n2,3.25\n"), "{arm}_{seed}.txt")
    runs = measurements([found], Choice()).runs
    assert runs["arm"].tolist() == ["wide"]
    assert runs["train_seed"].tolist() == ["3"]
    assert runs["loss"].tolist() == [3.25]


def test_a_column_that_says_the_same_is_no_mistake() -> None:
    content = "arm,seed,loss\nwide,3,3.5\n,3.0,3.5\n"
    found = with_path_fields(raw(content), "{arm}_{seed}.txt")
    assert found.table["arm"].tolist() == ["wide", "wide"]
    assert found.table["seed"].tolist() == ["03", "03"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("arm,loss\nwide,1\nbase,2\n", "line 3: arm is 'base', but the path says 'wide'"),
        ("seed,loss\n4,1\n", "line 2: seed is '4', but the path says '03'"),
        ("seed,loss\nx,1\n", "line 2: seed is 'x', but the path says '03'"),
    ],
)
def test_a_column_that_says_otherwise_is_told(content: str, message: str) -> None:
    with pytest.raises(UserError, match=rf"log/wide_03\.txt, {message}; leave \{{\w+\}} out of"):
        with_path_fields(raw(content), "{arm}_{seed}.txt")
