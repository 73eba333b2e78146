"""What a study may say of instruction rows, prompts and adapters: parts of the config file."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from noiseband.study.problems import SECRET, address, secret
from noiseband.study.recipe import Fraction, Positive, Section, Sha256

Part = Annotated[float, Field(gt=0, lt=1)] | Positive
"""A share of the rows, below 1, or a number of them."""


class Rows(Section):
    """Alpaca-format rows for fine-tuning, split by position: `train`, `test`, then `validation`."""

    train: Part = 0.85
    """Rows to train on, from the first: a share of all, or a number."""
    test: Part = 0.1
    """Rows that follow, for answers and judging."""
    validation: Part | None = None
    """Rows that follow these; null takes all that are left. What lies behind is left out."""

    @model_validator(mode="after")
    def _shares_leave_validation(self) -> Rows:
        parts = [self.train, self.test, self.validation]
        shares = sum(part for part in parts if isinstance(part, float))
        if self.validation is None and shares >= 1:
            raise ValueError(
                f"train={self.train} + test={self.test} leaves no rows for validation; "
                "make their sum less than 1"
            )
        if shares > 1 + 1e-9:
            raise ValueError(
                f"train={self.train} + test={self.test} + validation={self.validation} is more "
                "than all rows; make their sum 1 or less"
            )
        return self


class FactbookRows(Rows):
    """Synthetic questions about countries, written from templates."""

    kind: Literal["factbook"]
    """Generated from an installed package's facts."""
    package: str
    """Distribution that holds the facts."""
    version: str
    """Exact version of it."""
    rows: Annotated[int, Field(ge=20)]
    """Rows to generate."""


class AlpacaRows(Rows):
    """Rows that somebody wrote: a JSON list or JSON lines of objects with the texts `instruction`,
    `output` and, if need be, `input`. Other keys are left out."""

    without_answer: Literal["error", "drop"] = "error"
    """Rows whose output is empty: a mistake, or left out before the split (as 28 of the 52,002 of
    the Alpaca set)."""


class FileRows(AlpacaRows):
    """Rows in a file of one's own."""

    kind: Literal["file"]
    """Read from a file."""
    path: Annotated[str, Field(min_length=1)]
    """The file, from the folder in which the study runs."""
    sha256: Sha256 | None = None
    """SHA-256 of the file; null takes whatever it holds."""


class PackageRows(AlpacaRows):
    """Rows in a file of an installed Python package, which is never imported."""

    kind: Literal["package"]
    """Read from an installed package."""
    package: str
    """Distribution name."""
    version: str
    """Exact version; another one installed is an error."""
    file: Annotated[str, Field(min_length=1)]
    """Path of the file inside site-packages."""
    sha256: Sha256 | None = None
    """SHA-256 of the file; null trusts the version."""


class HubRows(AlpacaRows):
    """Rows in a file of a data set on the Hugging Face Hub."""

    kind: Literal["hub"]
    """Downloaded from the Hub."""
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    """The data set, `owner/name`."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """Its commit: 40 hexadecimal digits, so that the rows cannot change."""
    file: Annotated[str, Field(min_length=1)]
    """Path of the file inside the data set."""
    sha256: Sha256 | None = None
    """SHA-256 of the file; null trusts the revision."""


class UrlRows(AlpacaRows):
    """Rows in a file at an address."""

    kind: Literal["url"]
    """Downloaded from an address."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    """The address."""
    sha256: Sha256
    """SHA-256 of the file, since what lies at an address may change."""

    @field_validator("url")
    @classmethod
    def _no_key(cls, value: str) -> str:
        parts = address(value)
        found = [name for name, _ in parse_qsl(parts.query) if SECRET.search(name)]
        if found or "@" in parts.netloc:
            raise secret(
                f"{found[0] if found else 'a password'} in an address would end up in logs; get "
                "the file yourself, and name it with `kind: file`"
            )
        return value


def _kind(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind: {kind}"


# The tags have a blank in them, so that `problems` can tell them from keys.
Instructions = Annotated[
    Annotated[FactbookRows, Tag("kind: factbook")]
    | Annotated[FileRows, Tag("kind: file")]
    | Annotated[PackageRows, Tag("kind: package")]
    | Annotated[HubRows, Tag("kind: hub")]
    | Annotated[UrlRows, Tag("kind: url")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message=(
            "kind says where the rows come from: factbook, file, package, hub or url"
        ),
    ),
]
"""A set of rows, by where it comes from."""


class Template(Section):
    """A prompt in three pieces, one after the other; it ends where the answer begins."""

    instruction: str
    """Begins the prompt; `{}` in it, once, stands for the row's instruction."""
    input: str
    """Follows where a row has an input, which `{}` in it, once, stands for."""
    answer: str
    """Ends the prompt, as it is."""

    @model_validator(mode="after")
    def _places_for_the_texts(self) -> Template:
        for name, wanted in {"instruction": 1, "input": 1, "answer": 0}.items():
            text: str = getattr(self, name)
            if text.count("{}") != wanted:
                raise ValueError(
                    f"{name}={text!r} holds {{}} {text.count('{}')} times; it must be there "
                    f"{'once, for the text of the row' if wanted else 'nowhere'}"
                )
        return self


def _template(value: Any) -> str:
    return "a name" if isinstance(value, str) else "three strings"


TemplateChoice = Annotated[
    Annotated[Literal["alpaca", "short"], Tag("a name")]
    | Annotated[Template, Tag("three strings")],
    Discriminator(_template),
]


class Lora(Section):
    """Low-rank adapters (Hu and others 2021): W + (alpha / rank) B A, with only A and B trained."""

    rank: Positive
    """Rows of A and columns of B."""
    alpha: Positive
    """What the product is scaled by, times the rank."""
    dropout: Fraction
    """Dropout on what enters an adapter, beside the protocol's own."""
    targets: Annotated[
        list[Literal["W_query", "W_key", "W_value", "out_proj", "ff.layers.0", "ff.layers.2"]],
        Field(min_length=1),
    ]
    """Linear layers of every block that get an adapter. Embeddings and head, tied or not, stay as
    they are."""
