"""Charts: equal to the byte, small, harmless on a page, and complete."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from noiseband.report.figures import write_figures
from noiseband.report.palette import DARK, GLYPHS, LIGHT, SHAPES
from noiseband.report.svg import blank, drawing, panel, render, tip
from noiseband.report.tables import write_tables
from noiseband.report.training import frame
from noiseband.stats.verdicts import Call
from noiseband.workflow import FIGURES
from tests.report.conftest import Made
from tests.report.fake_runs import BASELINES, FakeRun, continued, pocket_runs
from tests.report.small_study import write_study

LARGEST = 150_000
TITLE = "{http://www.w3.org/2000/svg}title"


def svg(made: Made, name: str) -> str:
    return (made.results / "figures" / f"{name}.svg").read_text(encoding="utf-8")


def test_every_figure_of_the_workflow_is_drawn(made: Made) -> None:
    drawn = {path.stem for path in (made.results / "figures").iterdir()}
    assert drawn == set(FIGURES)


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
    # Nothing that reaches out of the chart: another chart's ids, the page's style, the network.
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
    assert "<title>schedule-learning-rate: helps, −0.159 (−0.176 to −0.142)</title>" in text
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


def test_losses_are_only_compared_over_the_same_tokens(tmp_path: Path) -> None:
    same = FakeRun("a-42", 4.0, "a", ["a"], difference={"model.dropout": [0.1, 0.0]})
    params = write_study(
        tmp_path, [*BASELINES[:2], continued("baseline-42", 4.7), same], steps=40, models=[]
    )
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    text = (tmp_path / "figures" / "loss.svg").read_text(encoding="utf-8")
    # In the overview and in its panel; the other is in the overview alone, and its panel says why.
    assert text.count("<title>a-42</title>") == 2
    assert text.count("<title>extended</title>") == 1
    assert text.count(">reads other tokens<") == 1


def test_long_runs_stay_small(tmp_path: Path) -> None:
    runs = [*BASELINES[:2], FakeRun("a-42", 4.0, "a", ["a"])]
    params = write_study(tmp_path, runs, steps=6_000, models=[])
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    for name in FIGURES:
        assert (tmp_path / "figures" / f"{name}.svg").stat().st_size < 60_000


def test_a_study_of_one_run_has_charts_too(tmp_path: Path) -> None:
    params = write_study(tmp_path, BASELINES[:1], steps=1, models=[], noise={})
    write_tables(params, tmp_path)
    write_figures(params, tmp_path)
    noise = (tmp_path / "figures" / "noise.svg").read_text(encoding="utf-8")
    tuned = (tmp_path / "figures" / "finetuning.svg").read_text(encoding="utf-8")
    assert "no noise runs" in noise
    assert "no fine-tuned models" in tuned


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
    assert ["".join(title.itertext()) for title in ElementTree.fromstring(text).iter(TITLE)] == [
        'a "b" <c>'
    ]
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
