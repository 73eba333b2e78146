"""Factorial analysis: published experiments, statsmodels, simulation."""

from collections.abc import Iterable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import integrate, stats

from noiseband.stats.design import Design, design
from noiseband.stats.factorial import Effect, ErrorFrom, factorial
from tests.stats.factorial_runs import Pair, drawn, once, table

# Montgomery, Design and Analysis of Experiments: the filtration rate of a 2^4 without replicates,
# and the etch rate of a 2^3 with two, in standard order.
FILTRATION = [45, 71, 48, 65, 68, 60, 80, 65, 43, 100, 45, 104, 75, 86, 70, 96]
ETCH = [
    (550, 604), (669, 650), (633, 601), (642, 635),
    (1037, 1052), (749, 868), (1075, 1063), (729, 860),
]  # fmt: skip


def by_letters(effects: Iterable[Effect]) -> Mapping[str, Effect]:
    return {effect.letters: effect for effect in effects}


def maximum_modulus(t: float, m: int, df: int) -> float:
    """P(max |T_i| > t) of m independent numerators over one chi: an integral over that chi."""
    inside, _ = integrate.quad(
        lambda s: (2 * stats.norm.cdf(t * s) - 1) ** m * stats.chi.pdf(s * df**0.5, df) * df**0.5,
        0,
        np.inf,
    )
    return float(1 - inside)


def test_the_filtration_rate_experiment() -> None:
    plan = design(["temperature", "pressure", "formaldehyde", "stirring"])
    found = factorial(once(plan, FILTRATION), plan)
    effects = by_letters(found.effects)
    published = {
        "A": 21.625, "B": 3.125, "C": 9.875, "D": 14.625, "AB": 0.125, "AC": -18.125,
        "AD": 16.625, "BC": 2.375, "BD": -0.375, "CD": -1.125,
    }  # fmt: skip
    assert {name: effect.estimate for name, effect in effects.items()} == pytest.approx(published)
    assert effects["AC"].factors == ("temperature", "formaldehyde")
    assert effects["AC"].effect == "temperature × formaldehyde"
    # ABC 1.875, ABD 4.125, ACD -1.625, BCD -2.625 and ABCD 1.375 are what is left: 4 squares each.
    rest = 4 * np.square([1.875, 4.125, -1.625, -2.625, 1.375]).sum()
    assert found.error_from == ErrorFrom.INTERACTIONS
    assert (found.degrees_of_freedom, found.replicates, found.lack_of_fit_p) == (5, 0, None)
    assert found.residual_sd == pytest.approx(np.sqrt(rest / 5))
    a = effects["A"]
    assert a.se == pytest.approx(2 * found.residual_sd / np.sqrt(16))
    for effect in effects.values():
        expected = maximum_modulus(abs(effect.estimate) / effect.se, 10, 5)
        assert effect.p_value == pytest.approx(expected, abs=2e-4)
    assert maximum_modulus(a.smallest_visible / a.se, 10, 5) == pytest.approx(0.05, abs=2e-4)
    # Montgomery's normal plot calls C (9.875) too: one at a time its p is 0.011, among ten 0.07.
    called = {name for name, effect in effects.items() if effect.p_value < 0.05}
    assert called == {"A", "D", "AC", "AD"}
    c = effects["C"]
    assert 2 * stats.t.sf(c.estimate / c.se, 5) == pytest.approx(0.0113, abs=1e-4)
    assert 0.05 < c.p_value < 0.1


def test_the_filtration_rate_experiment_by_halves() -> None:
    """Montgomery's 2^(4-1) with I = ABCD; each pair of aliases adds up."""
    plan = design(["a", "b", "c", "d"], 1)
    full = design(["a", "b", "c", "d"])
    losses = dict(zip(full.runs, FILTRATION, strict=True))
    found = factorial(once(plan, [losses[on] for on in plan.runs]), plan)
    effects = by_letters(found.effects)
    published = {"A": 19, "B": 1.5, "C": 14, "D": 16.5, "AB": -1, "AC": -18.5, "AD": 19}
    assert {name: effect.estimate for name, effect in effects.items()} == pytest.approx(published)
    assert effects["AD"].aliases == ("b × c",)
    assert effects["A"].aliases == ()
    assert found.error_from == ErrorFrom.LENTH


def test_lenth_on_the_filtration_rate_experiment() -> None:
    """PSE 2.625 and SME 13.699, as published. Fifteen factors in sixteen runs have the columns of
    all fifteen effects of the 2^4, up to sign."""
    plan = design([f"f{i}" for i in range(15)], 11)
    found = factorial(once(plan, FILTRATION), plan)
    sizes = sorted(abs(effect.estimate) for effect in found.effects)
    assert sizes == pytest.approx(
        [0.125, 0.375, 1.125, 1.375, 1.625, 1.875, 2.375, 2.625, 3.125, 4.125, 9.875, 14.625,
         16.625, 18.125, 21.625]
    )  # fmt: skip
    assert found.error_from == ErrorFrom.LENTH
    assert (found.residual_sd, found.degrees_of_freedom) == (None, 0)
    for effect in found.effects:
        assert effect.se == pytest.approx(2.625)
        assert effect.smallest_visible == pytest.approx(13.699, abs=5e-4)
        assert (effect.p_value < 0.05) == (abs(effect.estimate) > 13.699)
        single = 2 * stats.t.sf(abs(effect.estimate) / 2.625, 5)
        assert effect.p_value == pytest.approx(1 - (1 - single) ** 15)


def test_the_etch_rate_experiment() -> None:
    """SS of pure error 18020.50 with 8 degrees of freedom, of ABC 126.56; its F is 0.06, p 0.8186.

    With ABC in the residual there are 9.
    """
    plan = design(["gap", "flow", "power"])
    rows = zip(plan.runs, ETCH, strict=True)
    cells = [(on, loss) for on, pair in rows for loss in pair]
    # Every run on a seed of its own: replicates, not blocks.
    found = factorial(table((on, (i, i), loss) for i, (on, loss) in enumerate(cells)), plan)
    assert {e.letters: e.estimate for e in found.effects} == pytest.approx(
        {"A": -101.625, "B": 7.375, "C": 306.125, "AB": -24.875, "AC": -153.625, "BC": -2.125}
    )
    assert (found.runs, found.sets, found.absent, found.blocks) == (16, 8, (), ())
    assert (found.error_from, found.replicates) == (ErrorFrom.BOTH, 8)
    assert found.degrees_of_freedom == 9
    assert found.residual_sd**2 * 9 == pytest.approx(18020.50 + 126.5625)
    assert found.lack_of_fit_p == pytest.approx(0.8186, abs=5e-5)
    assert {e.letters for e in found.effects if e.p_value < 0.05} == {"A", "C", "AC"}


def ols(runs: pd.DataFrame, plan: Design, formula: str):
    signs = {f: [2 * (f in on) - 1 for on in runs["interventions"]] for f in plan.factors}
    return smf.ols(f"value ~ {formula}", runs.assign(**signs)).fit()


def compare(runs: pd.DataFrame, plan: Design, formula: str) -> None:
    """An effect is twice the coefficient of a column of signs."""
    found, second = factorial(runs, plan), ols(runs, plan, formula)
    for effect in found.effects:
        name = ":".join(effect.factors)
        assert effect.estimate == pytest.approx(2 * second.params[name])
        assert effect.se == pytest.approx(2 * second.bse[name])
        assert effect.estimate / effect.se == pytest.approx(second.tvalues[name])
        assert effect.p_value > second.pvalues[name] - 1e-4
        assert effect.high - effect.low > np.ptp(2 * second.conf_int().loc[name])
    assert found.degrees_of_freedom == second.df_resid
    assert found.residual_sd == pytest.approx(np.sqrt(second.mse_resid))


def test_seed_blocks_agree_with_statsmodels() -> None:
    plan = design(["a", "b", "c"])
    runs = drawn(plan, [(1, 1), (1, 2), (3, 3)])
    runs["value"] += 0.5 * runs["train_seed"]
    assert factorial(runs, plan).blocks == ((1, 1), (1, 2), (3, 3))
    compare(runs, plan, "(a + b + c) ** 2 + C(train_seed)")


def test_absent_and_repeated_runs_agree_with_statsmodels() -> None:
    """A run that never finished, and a baseline on seeds of its own."""
    plan = design(["a", "b", "c", "d"])
    seven = table(((), (s, s), 3.6 + s / 1000) for s in range(7))
    runs = pd.concat([drawn(plan, [(42, 42)]).drop(index=11), seven], ignore_index=True)
    runs["run"] = [f"run-{i}" for i in range(len(runs))]
    found = factorial(runs, plan)
    assert found.absent == (("a", "b", "d"),)
    assert (found.error_from, found.replicates) == (ErrorFrom.BOTH, 7)
    compare(runs, plan, "(a + b + c + d) ** 2")


def test_lack_of_fit_agrees_with_statsmodels() -> None:
    plan = design(["a", "b", "c", "d"])
    runs = drawn(plan, [(1, 1), (2, 2)])
    small = ols(runs, plan, "(a + b + c + d) ** 2 + C(init_seed)")
    whole = ols(runs, plan, "a * b * c * d + C(init_seed)")
    _, expected, _ = whole.compare_f_test(small)
    assert factorial(runs, plan).lack_of_fit_p == pytest.approx(expected)


def test_replicates_alone_are_pure_error() -> None:
    plan = design(["a", "b", "c", "d", "e"], 2)
    found = factorial(drawn(plan, [(1, 1), (2, 2)]), plan)
    assert found.error_from == ErrorFrom.REPLICATES
    assert found.degrees_of_freedom == found.replicates == 7
    assert found.lack_of_fit_p is None


@pytest.mark.parametrize(("k", "p"), [(5, 1), (6, 2), (5, 2), (7, 3)])
def test_aliases_add_up_with_their_signs(k: int, p: int) -> None:
    """Losses from known effects of at most two factors."""
    plan = design([*"abcdefg"][:k], p)
    rng = np.random.default_rng(k)
    true = {c: rng.normal() for order in (1, 2) for c in combinations(plan.factors, order)}

    def loss(on: Iterable[str]) -> float:
        sign = {f: 1 if f in set(on) else -1 for f in plan.factors}
        return sum(e / 2 * np.prod([sign[f] for f in term]) for term, e in true.items())

    found = factorial(once(plan, map(loss, plan.runs)), plan)
    for effect in found.effects:
        expected = true[effect.factors]
        for alias in effect.aliases:
            minus = alias.startswith("−")
            expected += (-1 if minus else 1) * true[tuple(alias.removeprefix("−").split(" × "))]
        assert effect.estimate == pytest.approx(expected)


def test_too_few_runs_are_said_to_be() -> None:
    plan = design(["a", "b", "c", "d", "e"], 2)
    found = factorial(drawn(plan, [(1, 1)]).drop(index=[2, 3]), plan)
    assert found.error_from == ErrorFrom.NOTHING
    assert {effect.estimate for effect in found.effects} == {None}
    assert {effect.p_value for effect in found.effects} == {None}


def test_runs_without_noise_say_nothing_about_it() -> None:
    plan = design(["a", "b", "c"])
    found = factorial(once(plan, [3.1 + 0.2 * ("a" in on) for on in plan.runs]), plan)
    effects = by_letters(found.effects)
    assert found.residual_sd == 0.0
    assert effects["A"].estimate == pytest.approx(0.2)
    assert (effects["A"].p_value, effects["B"].p_value) == (None, None)
    saturated = design(["a", "b", "c"], 1)
    found = factorial(once(saturated, [3.1, 3.1, 3.1, 3.1]), saturated)
    assert [effect.p_value for effect in found.effects] == [1.0, 1.0, 1.0]


def test_the_order_of_the_rows_changes_no_digit() -> None:
    plan = design(["a", "b", "c", "d"], 1)
    runs = drawn(plan, [(1, 1), (2, 2), (2, 3)])
    assert factorial(runs.sample(frac=1, random_state=3), plan) == factorial(runs, plan)


def test_other_interventions_and_fractions_do_not_enter_the_effects() -> None:
    plan = design(["a", "b", "c", "d"], 1)
    runs = drawn(plan, [(1, 1), (2, 2)])
    others = table(
        [(["a", "z"], (1, 1), 9.0), (["a"], (1, 1), 9.0), (["b"], (1, 1), 9.0), (["z"], (1, 1), 9)]
    ).assign(run=["p", "q", "r", "s"])
    together = factorial(pd.concat([runs, others]), plan, stacks=[("a", "b")])
    assert together.effects == factorial(runs, plan).effects
    assert together.runs == 16
    # …but the two single factors give a prediction.
    assert together.stacks[0].alone.predicted > 10


def alarm_rate(plan: Design, pairs: list[Pair], studies: int, seed_sd: float = 0.0) -> float:
    """Share of studies in which nothing matters and something is called."""
    rng = np.random.default_rng(2026)
    runs = drawn(plan, pairs)
    alarms = 0
    for _ in range(studies):
        seeds = np.repeat(rng.normal(0, seed_sd, len(pairs)), len(plan.runs))
        found = factorial(runs.assign(value=3.6 + seeds + rng.normal(0, 0.01, len(runs))), plan)
        alarms += any(effect.p_value < 0.05 for effect in found.effects)
    return alarms / studies


STUDIES = 300
ERROR = 3 * np.sqrt(0.05 * 0.95 / STUDIES)


@pytest.mark.parametrize(
    ("plan", "pairs", "seed_sd"),
    [
        (design([*"abcd"]), [(1, 1)], 0.0),
        (design([*"abcde"], 1), [(1, 1), (2, 2)], 1.0),
        (design([*"abcdef"], 3), [(1, 1), (1, 2), (2, 2)], 0.0),
    ],
    ids=["interactions", "half, blocks", "eighth, replicates"],
)
def test_five_percent_of_families_raise_an_alarm(
    plan: Design, pairs: list[Pair], seed_sd: float
) -> None:
    rate = alarm_rate(plan, pairs, STUDIES, seed_sd)
    assert 0.05 - ERROR <= rate <= 0.05 + ERROR


@pytest.mark.parametrize("factors", [7, 15])
def test_lenth_raises_no_more(factors: int) -> None:
    plan = design([f"f{i}" for i in range(factors)], factors - factors.bit_length())
    assert alarm_rate(plan, [(1, 1)], STUDIES) <= 0.05 + ERROR


def test_what_it_refuses() -> None:
    plan = design([*"abc"])
    runs = drawn(plan, [(1, 1)])
    for stack in (["a"], ["a", "a"], ["a", "z"]):
        with pytest.raises(ValueError, match="two or more factors of the design"):
            factorial(runs, plan, stacks=[stack])
    with pytest.raises(ValueError, match="baseline"):
        factorial(runs.drop(index=0), plan)
    with pytest.raises(ValueError, match="lacks the columns: interventions"):
        factorial(runs.drop(columns="interventions"), plan)
    with pytest.raises(ValueError, match="run-3"):
        factorial(runs.assign(value=runs["value"].where(runs.index != 3)), plan)
    with pytest.raises(ValueError, match="alpha"):
        factorial(runs, plan, alpha=2)
    saturated = design([*"abc"], 1)
    with pytest.raises(ValueError, match="alpha"):
        factorial(drawn(saturated, [(1, 1)]), saturated, alpha=0)
