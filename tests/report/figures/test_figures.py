"""Charts are byte-equal, small, safe to embed and complete."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure

from noiseband.analysis.tables import write_tables
from noiseband.analysis.traces import Floats, edges
from noiseband.analysis.tuning_rows import EpochRow, FinetuningRow
from noiseband.io.files import atomic, write_json
from noiseband.io.tables import read_rows
from noiseband.report.figures.finetuning import draw_finetuning
from noiseband.report.figures.palette import DARK, GLYPHS, LIGHT, SHAPES
from noiseband.report.figures.svg import blank, drawing, panel, render, tip
from noiseband.report.figures.training import MOST_BINS, frame
from noiseband.report.figures.write import write_figures
from noiseband.stats.verdicts import Call
from noiseband.study.artefacts import FIGURES, VOLATILE_FIGURES
from tests.fake_runs import BASELINES, FakeRun, continued, pocket_runs
from tests.pages import Made
from tests.small_study import write_study

LARGEST = 150_000
SVG = "{http://www.w3.org/2000/svg}"


def svg_of(results: Path, name: str) -> str:
    return (results / "figures" / f"{name}.svg").read_text(encoding="utf-8")


def svg(made: Made, name: str) -> str:
    return svg_of(made.results, name)


def test_every_figure_of_the_workflow_is_drawn(made: Made) -> None:
    drawn = {path.stem for path in (made.results / "figures").glob("*.svg")}
    assert drawn == {*FIGURES, *VOLATILE_FIGURES}


def test_equal_files_give_equal_bytes(made: Made, tmp_path: Path) -> None:
    params = write_study(tmp_path)
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    for name in FIGURES:
        assert (tmp_path / "figures" / f"{name}.svg").read_text(encoding="utf-8") == svg(made, name)


@pytest.mark.parametrize("name", FIGURES)
def test_small_and_at_home_on_any_page(made: Made, name: str) -> None:
    text = svg(made, name)
    assert len(text.encode()) < LARGEST
    root = ElementTree.fromstring(text)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    # Nothing reaches beyond the chart: no ids of other charts, no style of the page, no network.
    ids = re.findall(r' id="([^"]*)"', text)
    assert all(each.startswith(f"{name}-") for each in ids)
    assert len(ids) == len(set(ids))
    assert re.findall(r"<style>([^{]*)\{", text) == ["svg.chart"]
    assert re.sub(r'xmlns="[^"]*"', "", text).count("http") == 0
    assert "DejaVu" not in text
    assert "metadata" not in text


@pytest.mark.parametrize("name", FIGURES)
def test_every_colour_follows_the_page(made: Made, name: str) -> None:
    drawn = svg(made, name).partition("</style>")[2]
    hexes = re.findall(r"#[0-9a-f]{6}\b", drawn)
    assert hexes
    assert len(hexes) == len(re.findall(r"var\(--[a-z-]+, #[0-9a-f]{6}\)", drawn))


def test_every_intervention_and_verdict_is_in_the_answer(made: Made) -> None:
    text = svg(made, "effects")
    for run in pocket_runs():
        assert f">{run.intervention}</text>" in text
    assert "<title>schedule-learning-rate: helps, −0.159 (−0.165 to −0.154), firm</title>" in text
    assert "<title>weight-tying: hurts, +0.551</title>" in text


def test_the_best_comes_first(made: Made) -> None:
    names = re.findall(r">([^<>]*)</text>", svg(made, "effects"))
    listed = [name for name in names if name in {run.intervention for run in pocket_runs()}]
    assert listed == [
        "stacked-3", "stacked-1", "schedule-learning-rate", "remove-dropout", "qkv-bias",
        "gradient-clipping", "weight-decay-gpt2", "bfloat16", "weight-decay-cerebras",
        "update-learning-rate", "weight-tying", "baseline",
    ]  # fmt: skip


def test_a_line_that_leaves_its_panel_says_where_it_ends(made: Made) -> None:
    assert re.findall(r">ends at ([^<]*)</text>", svg(made, "loss")) == ["+0.55 ↑"]


def test_every_run_is_a_dot_of_the_noise_chart(made: Made) -> None:
    titles = re.findall(r"<title>([^:]*): test loss", svg(made, "noise"))
    assert set(titles) == {run.name for run in BASELINES}
    assert len(titles) == 9


def test_clipped_and_skipped_steps_are_marked(made: Made) -> None:
    text = svg(made, "gradient-norm")
    assert "<title>stacked-1-42: 1 skipped step</title>" in text
    assert re.search(r"clipped \d+%, skipped 1<", text)
    assert len(re.findall(r">clipped \d+%", text)) == 3


def test_equal_schedules_are_one_line(made: Made) -> None:
    titles = re.findall(r"<title>([^<]*)</title>", svg(made, "learning-rate"))
    assert len(titles) == 3
    assert "stacked-3, stacked-1 and schedule-learning-rate" in titles


@pytest.mark.parametrize("name", ["loss", "gradient-norm", "learning-rate", "positions"])
def test_charts_of_training_say_which_runs_a_mark_shows(made: Made, name: str) -> None:
    root = ElementTree.fromstring(svg(made, name))
    runs = json.loads(root.get("data-runs") or "")
    own = [run for run in pocket_runs() if run.repeat_of is None]
    assert {tuple(pair) for pair in runs} == {(run.name, run.intervention) for run in own}
    marks = [part for part in root.iter() if part.get("data-of")]
    assert {int(n) for part in marks for n in part.get("data-of", "").split()} == set(
        range(len(runs))
    )
    names = {run for run, _ in runs}
    for part in marks:
        title = part.findtext(f"{SVG}title")
        if title in names:
            assert [runs[int(n)][0] for n in part.get("data-of", "").split()] == [title]


def test_a_twin_is_dashed_beside_its_original(tmp_path: Path) -> None:
    twin = FakeRun("cloud", 4.86, difference={"batch.microbatch": [4, 8]})
    params = write_study(tmp_path, [BASELINES[0], twin], steps=40, models=[], noise={})
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    dashed = {
        title: "stroke-dasharray" in path
        for title, path in re.findall(
            r"<title>([^<]*)</title>\s*(<path [^>]*>)", svg_of(tmp_path, "loss")
        )
    }
    assert dashed == {"baseline-42": False, "cloud": True, "mean of 2 baseline runs": False}


def test_losses_are_only_compared_over_the_same_tokens(tmp_path: Path) -> None:
    same = FakeRun("a-42", 4.0, "a", ["a"], difference={"model.dropout": [0.1, 0.0]})
    params = write_study(
        tmp_path, [*BASELINES[:2], continued("baseline-42", 4.7), same], steps=40, models=[]
    )
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    text = (tmp_path / "figures" / "loss.svg").read_text(encoding="utf-8")
    # In the overview and in its panel; the other is only in the overview, and its panel says why.
    assert text.count("<title>a-42</title>") == 2
    assert text.count("<title>extended</title>") == 1
    assert text.count(">reads other tokens<") == 1


def test_where_in_the_context_a_run_is_better(made: Made, tmp_path: Path) -> None:
    assert re.findall(r">about ([^<]*)</text>", svg(made, "positions")) == ["+0.55 ↑"]
    worse_later = FakeRun("a-42", 4.8, "a", ["a"])
    shorter = FakeRun("b-42", 4.8, "b", ["b"], difference={"model.context": [64, 32]})
    params = write_study(tmp_path, [*BASELINES[:2], worse_later, shorter], steps=40, models=[])
    for run, change in (("a-42", lambda n: 0.01 * n), ("b-42", lambda n: 0)):
        file = tmp_path / "runs" / run / "test_loss.json"
        found = json.loads(file.read_text())
        if run == "b-42":
            del found["by_position"][4:]
        for n, segment in enumerate(found["by_position"]):
            segment["loss"] += change(n)
        write_json(file, found)
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    text = svg_of(tmp_path, "positions")
    (line,) = re.findall(r'<title>a-42</title>\s*<path d="M([^"]*)"', text)
    points = np.array([point.split() for point in line.split("L")], dtype=float)
    assert len(points) == 8
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) < 0).all(), "worse is up"
    assert "<title>b-42</title>" not in text
    assert text.count(">another context<") == 1


STEPS = 33_165
SPIKES = {"loss": 7.5, "gradient_norm": 40.0}
Points = npt.NDArray[np.float64]


def paths_of(results: Path, chart: str, run: str) -> list[Points]:
    """The (x, y) of every path that shows a single run, in pixels from the top left."""
    root = ElementTree.fromstring(svg_of(results, chart))
    number = [name for name, _ in json.loads(root.get("data-runs") or "")].index(run)
    own = [part for part in root.iter() if part.get("data-of") == str(number)]
    drawn = [path.get("d", "") for part in own for path in part.iter(f"{SVG}path")]
    found = [re.findall(r"[ML]([\d.-]+) ([\d.-]+)", path) for path in drawn]
    paths = [np.array(points, dtype=float) for points in found if len(points) >= 2]
    # A band is drawn from the bottom left.
    height = float(root.get("height", ""))
    return [path + ([0, height] if (path[:, 1] < 0).all() else [0, 0]) for path in paths]


def test_long_runs_stay_small_and_keep_a_spike_of_one_step(tmp_path: Path) -> None:
    """A trace as long as a published run, with a spike in the middle."""
    runs = [*BASELINES[:2], FakeRun("a-42", 4.0, "a", ["a"])]
    params = write_study(tmp_path, runs, steps=STEPS, models=[])
    file = tmp_path / "runs" / "a-42" / "trace.parquet"
    trace = pq.read_table(file)
    values: dict[str, Floats] = {}
    for column, spike in SPIKES.items():
        values[column] = trace[column].to_numpy().copy()
        values[column][STEPS // 2] = spike
        place = trace.schema.get_field_index(column)
        trace = trace.set_column(place, trace.schema.field(place), pa.array(values[column]))
    with atomic(file) as temporary:
        pq.write_table(trace, temporary)
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    for name in FIGURES:
        assert len(svg_of(tmp_path, name).encode()) < 60_000
    for chart, column, scale in (
        ("loss", "loss", np.asarray),
        ("gradient-norm", "gradient_norm", np.log),
    ):
        paths = paths_of(tmp_path, chart, "a-42")
        # The line of means tells the axis; matplotlib leaves out its points in a straight row.
        lines = [path for path in paths if len(path) > 20]
        line = max(lines, key=lambda path: float(path[-1, 0] - path[0, 0]))
        first, last = line[[0, -1], 0]
        bins = ((line[:, 0] - first) / (last - first) * (MOST_BINS - 1)).round().astype(int)
        means = [values[column][i:j].mean() for i, j in pairwise(edges(STEPS, MOST_BINS))]
        slope, start = np.polyfit(scale(means)[bins], line[:, 1], 1)
        # Some path reaches the height of the spike.
        top = start + slope * scale(SPIKES[column])
        middle = first + (last - first) * (MOST_BINS // 2) / (MOST_BINS - 1)
        heights = [y for path in paths for x, y in path if abs(x - middle) < 0.1]
        assert min(abs(y - top) for y in heights) < 0.5


def test_a_study_of_one_run_has_charts_too(tmp_path: Path) -> None:
    params = write_study(tmp_path, BASELINES[:1], steps=1, models=[], noise={})
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    noise = (tmp_path / "figures" / "noise.svg").read_text(encoding="utf-8")
    tuned = (tmp_path / "figures" / "finetuning.svg").read_text(encoding="utf-8")
    assert "no noise runs" in noise
    assert "no fine-tuned models" in tuned


def test_scores_are_drawn_by_test_loss_where_there_is_one(made: Made) -> None:
    models = read_rows(made.results / "tables/finetuning.csv", FinetuningRow)
    epochs = read_rows(made.results / "tables/epochs.csv", EpochRow)
    protocols = len({row.protocol for row in models})
    both = draw_finetuning(models, epochs, [], []).axes
    assert len(both) == 2 * protocols
    alone = draw_finetuning([replace(row, test_loss=None) for row in models], epochs, [], []).axes
    assert len(alone) == protocols
    assert all("validation loss" in axes.get_title(loc="left") for axes in alone)
    assert alone[0].get_position().width > 2 * both[0].get_position().width


@pytest.mark.parametrize(
    ("reaches", "expected"),
    [
        ([(-1.0, 1.0), (-2.0, 0.5)], (-2.18, 1.18)),
        ([(-1.0, 1.0)] * 4 + [(8.0, 9.0)], (-1.12, 1.12)),
        ([(-1.0, 1.0)] * 4 + [(1.5, 1.9)], (-1.174, 2.074)),
        ([(0.1, 0.2), (8.0, 9.0)], (-0.434, 9.534)),
        ([], (-0.01, 0.01)),
    ],
)
def test_an_axis_leaves_out_what_would_squash_it(
    reaches: list[tuple[float, float]], expected: tuple[float, float]
) -> None:
    assert frame(reaches) == pytest.approx(expected)


def small_figure(text: str) -> Figure:
    figure = blank(100, 50)
    axes = panel(figure, 10, 5, 80, 40)
    tip(axes.plot([0, 1], [0, 1 / 3], color=LIGHT["helps"])[0], text)
    return figure


def test_numbers_are_hundredths_of_a_pixel() -> None:
    with drawing("small"):
        text = render(small_figure("x"), "small", "label")
    paths = "".join(re.findall(r' d="([^"]*)"', text))
    assert re.findall(r"\.\d+", paths)
    assert not re.findall(r"\.\d{3}", paths)


def test_a_tip_is_a_title_and_no_id() -> None:
    with drawing("small"):
        text = render(small_figure('a "b" <c>'), "small", "label")
    assert [
        "".join(title.itertext()) for title in ElementTree.fromstring(text).iter(f"{SVG}title")
    ] == ['a "b" <c>']
    assert "tip:" not in text


def test_the_user_s_own_settings_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    with drawing("small"):
        expected = render(small_figure("x"), "small", "label")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "svg.fonttype": "path"}):
        with drawing("small"):
            assert render(small_figure("x"), "small", "label") == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_palettes_match_and_can_be_read() -> None:
    assert LIGHT.keys() == DARK.keys()
    for palette in (LIGHT, DARK):
        assert len(set(palette.values())) == len(palette)
        for name in ("ink", "muted", "helps", "hurts", "within-noise", "not-enough-runs"):
            for ground in ("paper", "panel"):
                assert contrast(palette[name], palette[ground]) >= 4.5


def test_every_verdict_has_its_own_shape() -> None:
    assert set(GLYPHS) == set(Call)
    assert len(set(SHAPES.values())) == len(SHAPES) == len(Call) + 2


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours by WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
