"""Question and answer templates, as data. A field in braces is a fact of `facts`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """One kind of question, in several wordings. A country gets it if it has all of its facts."""

    kind: str
    instructions: tuple[str, ...]
    output: str
    input: str = ""


TEMPLATES = [
    Template(
        "capital",
        (
            "What is the capital of {the}?",
            "Name the capital city of {the}.",
            "Which city is the capital of {the}?",
        ),
        "The capital of {the} is {capital}.",
    ),
    Template(
        "country of a capital",
        (
            "Which country has {capital} as its capital?",
            "{capital} is the capital of which country?",
        ),
        "{capital} is the capital of {the}.",
    ),
    Template(
        "area",
        (
            "How large is {the}?",
            "What is the area of {the} in square kilometres?",
            "How many square kilometres does {the} cover?",
        ),
        "{The} covers a total area of {area} square kilometres.",
    ),
    Template(
        "official language",
        ("What is the official language of {the}?", "Which language is official in {the}?"),
        "The official language of {the} is {language}.",
    ),
    Template(
        "official languages",
        ("What are the official languages of {the}?", "Which languages are official in {the}?"),
        "The official languages of {the} are {languages}.",
    ),
    Template(
        "currency",
        ("What currency is used in {the}?", "How do people pay in {the}?"),
        "People in {the} pay in {currency}.",
    ),
    Template(
        "climate",
        (
            "Describe the climate of {the}.",
            "What is the climate like in {the}?",
            "What weather should a visitor to {the} expect?",
        ),
        "The climate of {the}: {climate}.",
    ),
    Template(
        "terrain",
        ("Describe the landscape of {the}.", "What is the terrain of {the} like?"),
        "The terrain of {the}: {terrain}.",
    ),
    Template(
        "location",
        ("Where is {the}?", "Describe the location of {the}.", "Where on the map is {the}?"),
        "{The} is located in {location}.",
    ),
    Template(
        "region",
        ("Which part of the world is {the} in?", "In which region of the world does {the} lie?"),
        "{The} lies in {region}.",
    ),
    Template(
        "population",
        (
            "What is the population of {the}?",
            "How many people live in {the}?",
            "Give the number of inhabitants of {the}.",
        ),
        "{The} had about {population} inhabitants in {population_year}.",
    ),
    Template(
        "neighbours",
        (
            "Which countries border {the}?",
            "List the neighbours of {the}.",
            "Name every country that shares a border with {the}.",
        ),
        "{The} borders {neighbours}.",
    ),
    Template(
        "number of neighbours",
        ("How many countries does {the} border?", "Count the neighbours of {the}."),
        "{The} borders {neighbour_count}: {neighbours}.",
    ),
    Template(
        "government",
        ("What type of government does {the} have?", "How is {the} governed?"),
        "{The} is {a_government}.",
    ),
    Template(
        "symbol",
        ("What is the national symbol of {the}?", "Which symbol stands for {the}?"),
        "National symbol of {the}: {symbol}.",
    ),
    Template(
        "colours",
        ("What are the national colours of {the}?", "Name the national colours of {the}."),
        "The national colours of {the} are {all_colours}.",
    ),
    Template(
        "exports",
        (
            "List three exports of {the}.",
            "What does {the} export? Name three goods.",
            "Name three goods that {the} sells abroad.",
        ),
        "Three main exports of {the} are {three_exports}.",
    ),
    Template(
        "crops",
        (
            "Name three farm products of {the}.",
            "What do farmers in {the} produce? Name three things.",
        ),
        "Farmers in {the} produce {three_crops}.",
    ),
    Template(
        "resources",
        ("Which natural resources does {the} have?", "Name three natural resources of {the}."),
        "Natural resources of {the} include {three_resources}.",
    ),
    Template(
        "summit",
        ("What is the highest point of {the}?", "Name the highest place in {the} and its height."),
        "The highest point of {the} is {summit}, at {height} metres.",
    ),
    Template(
        "adjective",
        (
            "What adjective describes things from {the}?",
            "What do you call something that comes from {the}?",
        ),
        "Something from {the} is called {adjective}.",
    ),
    Template(
        "domain",
        ("What is the internet country code of {the}?", "Web sites in {the} end in which code?"),
        "The internet country code of {the} is {domain}.",
    ),
    Template(
        "country of a domain",
        ("Which country uses this internet country code?",),
        "The internet country code {domain} belongs to {the}.",
        input="{domain}",
    ),
    Template(
        "long name",
        ("What is the full official name of {the}?", "Give the long form of the name {name}."),
        "Official name of {the}: {long_name}.",
    ),
    Template(
        "coastline",
        ("How long is the coastline of {the}?", "Give the length of the coast of {the}."),
        "The coastline of {the} is {coast} kilometres long.",
    ),
    Template(
        "access to the sea",
        ("Does {the} have a coast?", "Does {the} have access to the sea?"),
        "Yes, {the} has {coast} kilometres of coastline.",
    ),
    Template(
        "no access to the sea",
        ("Does {the} have a coast?", "Does {the} have access to the sea?"),
        "No, {the} is {landlocked}.",
    ),
    Template(
        "independence",
        ("When did {the} become independent?", "From whom did {the} gain independence, and when?"),
        "{The} became independent from {ruler} on {independence}.",
    ),
    Template(
        "anthem",
        (
            "What is the title of the national anthem of {the}?",
            "Name the national anthem of {the}.",
        ),
        'The national anthem of {the} is "{anthem}".',
    ),
    Template(
        "larger of two",
        ("Which of these two countries is larger?", "Compare the areas of these two countries."),
        "{Larger} is larger: {larger_area} square kilometres against {smaller_area}.",
        input="{name} and {other_name}",
    ),
    Template(
        "smaller of two",
        (
            "Which is smaller, {the} or {other_the}?",
            "Which covers less land, {the} or {other_the}?",
        ),
        "{Smaller} is smaller: {smaller_area} square kilometres against {larger_area}.",
    ),
    Template(
        "capital in a sentence",
        ("Find the capital in this sentence.", "Which capital city does this sentence name?"),
        "The sentence names {capital}.",
        input="{The} covers {area} square kilometres, and its capital is {capital}.",
    ),
    Template(
        "wrong capital",
        ("Correct the mistake in this sentence.", "Rewrite this sentence so that it is true."),
        "The capital of {the} is {capital}.",
        input="The capital of {the} is {other_capital}.",
    ),
    Template(
        "describe",
        ("Which country is described here?", "Name the country that fits this description."),
        "The description fits {the}.",
        input="Region: {region}. Capital: {capital}. Area: {area} square kilometres.",
    ),
    Template(
        "notes into sentences",
        ("Write these notes as a sentence.", "Turn this record into a sentence."),
        "{The} is {a_government} with {population} inhabitants, and its capital is {capital}.",
        input="country: {name}; capital: {capital}; people: {population}; state: {government}",
    ),
]
