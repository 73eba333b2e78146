"""The config sections for instruction rows, prompts and adapters."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from noiseband.study.dataset_source import DatasetSplit
from noiseband.study.problems import SECRET, address, secret
from noiseband.study.section import ADDED, Fraction, Positive, Section, Sha256

Part = Annotated[float, Field(gt=0, lt=1)] | Positive
"""A share of the rows (below 1), or a number of rows."""


class Rows(Section):
    """Alpaca-format rows for fine-tuning, split by position: `train`, `test`, then `validation`."""

    train: Part = 0.85
    """The first rows, for training: a share of all rows, or a number."""
    test: Part = 0.1
    """The next rows, for answers and judging: a share of all rows, or a number."""
    validation: Part | None = None
    """The next rows, for validation: a share of all rows, or a number; null means all that are
    left. Rows after these are not used."""
    seen_questions: Annotated[Literal["keep", "drop"], ADDED] = "keep"
    """What to do with training rows whose question is also in validation or test, and validation
    rows whose question is also in test, up to case, punctuation and blanks: keep them, or drop them
    after the split. The test rows stay the same, so scores stay comparable."""

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
    """Rows are generated from an installed package's facts."""
    package: str
    """Distribution that contains the facts."""
    version: str
    """Exact version of the distribution."""
    rows: Annotated[int, Field(ge=20)]
    """Number of rows to generate."""


class AlpacaRows(Rows):
    """Existing rows: a JSON list, JSON lines or Parquet, also compressed by gzip or zstd. A row has
    the texts `instruction`, `output` and, optionally, `input`; or a conversation of one or more
    turns, as `messages` (`role`, `content`) or `conversations` (`from`, `value`). Other keys are
    ignored."""

    without_answer: Literal["error", "drop"] = "error"
    """What to do with rows whose output is empty: stop with an error, or drop them before the split
    (the Alpaca set has 28 such rows among 52,002)."""


class FileRows(AlpacaRows):
    """Rows in a file of your own."""

    kind: Literal["file"]
    """Rows are read from a file."""
    path: Annotated[str, Field(min_length=1)]
    """Path of the file, relative to the folder in which the study runs."""
    sha256: Sha256 | None = None
    """SHA-256 of the file; null means that it is not checked."""


class PackageRows(AlpacaRows):
    """Rows in a file of an installed Python package, which is never imported."""

    kind: Literal["package"]
    """Rows are read from an installed package."""
    package: str
    """Distribution name."""
    version: str
    """Exact version; it is an error if another version is installed."""
    file: Annotated[str, Field(min_length=1)]
    """Path of the file inside site-packages."""
    sha256: Sha256 | None = None
    """SHA-256 of the file; null means that the version alone is checked."""


class HubRows(AlpacaRows):
    """Rows in a file of a data set on the Hugging Face Hub."""

    kind: Literal["hub"]
    """Rows are downloaded from the Hub."""
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    """The data set, `owner/name`."""
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    """The data set's commit, 40 hexadecimal digits, so that the rows cannot change."""
    file: Annotated[str, Field(min_length=1)]
    """Path of the file inside the data set."""
    sha256: Sha256 | None = None
    """SHA-256 of the file; null means that the revision is trusted."""


class DatasetRows(AlpacaRows, DatasetSplit):
    """Rows of a split that the library `datasets` streams, from the Hub or from a folder."""

    kind: Literal["dataset"]
    """Rows are read by `datasets`."""


class UrlRows(AlpacaRows):
    """Rows in a file at a URL."""

    kind: Literal["url"]
    """Rows are downloaded from a URL."""
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    """URL of the file."""
    sha256: Sha256
    """SHA-256 of the file, which is required because the file at a URL may change."""

    @field_validator("url")
    @classmethod
    def _no_key(cls, value: str) -> str:
        parts = address(value)
        found = [name for name, _ in parse_qsl(parts.query) if SECRET.search(name)]
        if found or "@" in parts.netloc:
            raise secret(
                f"{found[0] if found else 'a password'} in a URL would end up in logs; download "
                "the file yourself, and name it with `kind: file`"
            )
        return value


def _kind(value: Any) -> str:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return f"kind: {kind}"


# The tags contain a blank, so that `problems` can tell them from keys.
Instructions = Annotated[
    Annotated[FactbookRows, Tag("kind: factbook")]
    | Annotated[FileRows, Tag("kind: file")]
    | Annotated[PackageRows, Tag("kind: package")]
    | Annotated[HubRows, Tag("kind: hub")]
    | Annotated[DatasetRows, Tag("kind: dataset")]
    | Annotated[UrlRows, Tag("kind: url")],
    Discriminator(
        _kind,
        custom_error_type="kind",
        custom_error_message=(
            "kind says where the rows come from: factbook, file, package, hub, dataset or url"
        ),
    ),
]
"""A set of rows from one of the kinds of source."""


class Template(Section):
    """A prompt in three consecutive pieces; the answer follows the last."""

    instruction: str
    """Start of the prompt, with one `{}` for the row's instruction."""
    input: str
    """Second piece, with one `{}` for the row's input; left out of rows without an input."""
    answer: str
    """End of the prompt, used literally."""
    system: Annotated[str, ADDED] = "{}\n\n"
    """Before the first question of a conversation that begins with the system's turn, with one `{}`
    for its text."""

    @model_validator(mode="after")
    def _places_for_the_texts(self) -> Template:
        for name, wanted in {"instruction": 1, "input": 1, "answer": 0, "system": 1}.items():
            text: str = getattr(self, name)
            if text.count("{}") != wanted:
                raise ValueError(
                    f"{name}={text!r} contains {{}} {text.count('{}')} times; write it "
                    f"{'once, for the text of the row' if wanted else 'nowhere'}"
                )
        return self


def _template(value: Any) -> str:
    return "a name" if isinstance(value, str) else "three strings"


TemplateChoice = Annotated[
    Annotated[Literal["alpaca", "short", "chat"], Tag("a name")]
    | Annotated[Template, Tag("three strings")],
    Discriminator(_template),
]


class Lora(Section):
    """Low-rank adapters (Hu and others 2021): W + (alpha / rank) B A, with only A and B trained."""

    rank: Positive
    """Number of rows of A and columns of B."""
    alpha: Positive
    """Numerator of the scale of the product, alpha / rank."""
    dropout: Fraction
    """Dropout on the input of an adapter, in addition to the protocol's own."""
    targets: Annotated[
        list[
            Literal[
                "W_query", "W_key", "W_value", "out_proj", "ff.layers.0", "ff.layers.2", "ff.gate"
            ]
        ],
        Field(min_length=1),
    ]
    """Linear layers of every block that get an adapter. The embeddings and the head, tied or not,
    are never adapted."""
