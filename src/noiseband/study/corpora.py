"""Where text comes from and how it becomes tokens: the `corpora` section of a config file."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from noiseband.errors import nearest
from noiseband.study.dataset_source import DatasetSource
from noiseband.study.problems import check_place, pinned
from noiseband.study.section import Positive, Section, Sha256
from noiseband.study.tokenizers import AnyTokenizer, SharedTokenizer, Tokenizer

READERS = "noiseband.corpus.embedded.readers"
"""The package of the readers that have short names."""


def reader_module(name: str) -> str:
    """The dotted name of a reader's module."""
    return name if "." in name else f"{READERS}.{name}"


def _found(name: str) -> str:
    try:
        found = find_spec(reader_module(name)) is not None
    except ImportError:
        found = False
    if not found:
        embedded = [module.name for module in iter_modules(import_module(READERS).__path__)]
        raise ValueError(f"no such reader; {nearest(name, embedded)}")
    return name


class Source(Section):
    """Text in the files of an installed Python package, which is never imported."""

    package: str
    """Distribution name."""
    version: str
    """Exact version; another one installed is an error."""
    reader: Annotated[str, AfterValidator(_found)]
    """The reader that turns the package's files into documents: `asv`, `factbook`, or the dotted
    name of a module that has one."""
    sha256: Sha256
    """SHA-256 of the extracted documents, so that a changed package is noticed."""

    @property
    def origin(self) -> str:
        """A name for the documents, equal in all corpora that read them."""
        return self.package


class Files(Section):
    """Files of a data set on the Hugging Face Hub, or in a folder of your own."""

    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")] | None = None
    """The data set on the Hub, as owner/name."""
    revision: Annotated[str, Field(pattern=r"^[\w./-]+$")] | None = None
    """The data set's commit, 40 hex digits; with `unpinned`, also a branch or tag."""
    unpinned: bool = False
    """Whether `revision` may be a branch or tag, which can point to another commit tomorrow."""
    path: Annotated[str, Field(min_length=1)] | None = None
    """A folder to use instead of `repo`, relative to the folder in which the study runs."""
    sha256: dict[str, Sha256] = {}
    """SHA-256 of files by their names in the data set, for each file that is to be checked. The
    SHA-256 of every file is in card.json."""

    @model_validator(mode="after")
    def _one_place(self) -> Files:
        check_place(self.repo, self.path, self.revision)
        if self.unpinned and self.repo is None:
            raise ValueError("unpinned=True: it needs `repo`; remove it")
        if ".." in (self.revision or ""):
            raise ValueError(f"revision={self.revision}: not a branch or tag; remove the `..`")
        if self.revision is not None and not (pinned(self.revision) or self.unpinned):
            raise ValueError(
                f"revision={self.revision} may move; give the commit's 40 hex digits (under "
                "History on the data set's page on the Hub), or set unpinned: true"
            )
        return self


FORMATS = (
    ".parquet", ".jsonl", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".json.zst",
    ".txt", ".txt.gz", ".txt.zst",
)  # fmt: skip
"""Formats of document files: a document is a row, a line of JSON, or a whole text file."""


class FileSource(Files):
    """Documents in files of text: rows of Parquet, lines of JSON, or whole text files."""

    files: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """File names or patterns (`sample/10BT/*.parquet`), relative to the top of the data set. All
    files that match are read, in the order of their names."""
    column: Annotated[str, Field(min_length=1)] = "text"
    """Column, or key of the JSON objects, that contains the text."""

    @model_validator(mode="after")
    def _formats_are_known(self) -> FileSource:
        for name in self.files:
            if not name.endswith(FORMATS):
                raise ValueError(f"files={name}: no such format; valid: {', '.join(FORMATS)}")
        return self

    @property
    def origin(self) -> str:
        """A name for the documents, equal in all corpora that read them."""
        return f"{self.repo or self.path}: {', '.join(sorted(self.files))}"


def _source_kind(value: Any) -> str:
    keys = value if isinstance(value, dict) else {}
    if "package" in keys or isinstance(value, Source):
        return "of a package"
    return "of a data set" if "dataset" in keys or isinstance(value, DatasetSource) else "of files"


# The tags contain a blank, so that `problems` can tell them from keys.
AnySource = Annotated[
    Annotated[Source, Tag("of a package")]
    | Annotated[DatasetSource, Tag("of a data set")]
    | Annotated[FileSource, Tag("of files")],
    Discriminator(_source_kind),
]


class SplitTokens(Section):
    """Number of tokens in each split, including end-of-text after every document."""

    train: Positive
    """Tokens in the training split."""
    validation: Annotated[int, Field(ge=0)]
    """Tokens in the validation split; 0 if there is no such split."""
    test: Positive
    """Tokens in the test split."""


class Documents(Section):
    """Documents from one or more sources, in disjoint splits."""

    sources: Annotated[list[AnySource], Field(min_length=1)]
    """Sources of the documents."""
    order: Literal["hashed", "as-read"] = "hashed"
    """`hashed` shuffles documents by the SHA-256 of their ids and drops duplicates of a text.
    `as-read` keeps the order and the duplicates: training documents come first, then validation,
    then test."""
    validation: Annotated[float, Field(ge=0, lt=0.5)] = 0.03
    """Share of the documents held out for validation; 0 leaves that split empty."""
    test: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of the documents held out for the test loss."""

    def part(self, split: Literal["train", "validation", "test"]) -> tuple[float, float]:
        """Start and end of a split, as shares of the documents in their order."""
        held_out = self.validation + self.test
        if self.order == "hashed":
            bounds = {"test": (0.0, self.test), "validation": (self.test, held_out)}
            return bounds.get(split, (held_out, 1.0))
        bounds = {"test": (1 - self.test, 1.0), "validation": (1 - held_out, 1 - self.test)}
        return bounds.get(split, (0.0, 1 - held_out))


class Encoded(Section):
    """The part that all corpora have in common: a tokenizer and token counts."""

    tokenizer: AnyTokenizer
    """Tokenizer that turns text into tokens; `{like: <corpus>}` takes another corpus's vocabulary,
    with which a study that trains a `bpe` vocabulary can evaluate on, or train on, further corpora.
    """
    tokens: SplitTokens | None = None
    """Pinned token counts. They are checked when the token files are written, and a run that would
    read past the end is refused."""


class Corpus(Documents, Encoded):
    """Documents, and the tokenizer that turns them into tokens."""

    @property
    def has_validation(self) -> bool:
        """Whether the corpus has a validation split."""
        return self.validation > 0


class Tokenised(Files):
    """Ready-made token files: safetensors, each with one 1-D tensor named `tokens`, of type uint16,
    or uint32 or int32 for a vocabulary with more ids."""

    train: Annotated[str, Field(pattern=r"\.safetensors$")]
    """File of the training split."""
    validation: Annotated[str, Field(pattern=r"\.safetensors$")] | None = None
    """File of the validation split; null leaves that split empty."""
    test: Annotated[str, Field(pattern=r"\.safetensors$")]
    """File of the test split."""

    @property
    def files(self) -> dict[str, str]:
        """The name of each split's file, without the splits that have none."""
        names = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: name for split, name in names.items() if name is not None}

    @model_validator(mode="after")
    def _files_are_those(self) -> Tokenised:
        names = list(self.files.values())
        if len(set(names)) < len(names):
            raise ValueError(f"files {', '.join(names)}: two splits share one; change it")
        if unknown := sorted(self.sha256.keys() - set(names)):
            raise ValueError(f"sha256={unknown[0]}: not a split's file; valid: {', '.join(names)}")
        return self


class TokenisedCorpus(Encoded):
    """Ready-made tokens."""

    tokenised: Tokenised
    """Location of the token files."""

    @property
    def has_validation(self) -> bool:
        """Whether the corpus has a validation split."""
        return self.tokenised.validation is not None

    @model_validator(mode="after")
    def _vocabulary_is_published(self) -> TokenisedCorpus:
        chosen = self.tokenizer
        if isinstance(chosen, SharedTokenizer):
            raise ValueError(
                f"tokenizer.like={chosen.like}: nothing shows that the tokens are of that "
                "vocabulary; write its own kind, or give `sources` instead of `tokenised`"
            )
        if chosen.kind == "bpe":
            raise ValueError(
                f"tokenizer.kind={chosen.kind}: there is no text to train it on; "
                "write gpt2 or file, or give `sources` instead of `tokenised`"
            )
        return self


class Mixture(Section):
    """Shares of other corpora, taken piece by piece, so that every part of the mixture has them."""

    weights: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=2)]
    """Weights of corpora by name, which have the mixture's vocabulary. A corpus's share of the
    tokens is its weight divided by the sum of all."""
    by: Literal["document", "sequence"] = "document"
    """Pieces that are taken: whole documents, or sequences of `sequence_tokens` tokens."""
    sequence_tokens: Positive | None = None
    """Length of a sequence, for `by: sequence` only; usually the model's context."""
    train_tokens: Positive | None = None
    """Tokens of the training split, rounded up to a whole piece; a corpus that ends before begins
    again. By default the split ends before any corpus would begin again."""

    @model_validator(mode="after")
    def _length_belongs_to_sequences(self) -> Mixture:
        if (self.sequence_tokens is not None) != (self.by == "sequence"):
            raise ValueError(
                f"sequence_tokens={self.sequence_tokens}: "
                + (
                    "by: sequence needs it; write the model's context"
                    if self.by == "sequence"
                    else "is only for by: sequence; remove it"
                )
            )
        return self


class MixedCorpus(Encoded):
    """A mixture of other corpora of the study."""

    mixture: Mixture
    """The corpora, their weights, and how they are mixed."""

    @model_validator(mode="after")
    def _vocabulary_is_that_of_its_corpora(self) -> MixedCorpus:
        chosen = self.tokenizer
        if isinstance(chosen, Tokenizer) and chosen.kind == "bpe":
            raise ValueError(
                f"tokenizer.kind={chosen.kind}: a mixture has no text to train it on; write like: "
                f"{min(self.mixture.weights)}, whose vocabulary it has"
            )
        if chosen.allow_special:
            raise ValueError(
                "tokenizer.allow_special=true: a mixture has no text of its own; set it in the "
                "corpora that it mixes"
            )
        return self


def _corpus_kind(value: Any) -> str:
    if isinstance(value, dict):
        tags = {"tokenised": "of tokens", "mixture": "of corpora"}
        return next((tag for key, tag in tags.items() if key in value), "of text")
    if isinstance(value, MixedCorpus):
        return "of corpora"
    return "of tokens" if isinstance(value, TokenisedCorpus) else "of text"


AnyCorpus = Annotated[
    Annotated[Corpus, Tag("of text")]
    | Annotated[TokenisedCorpus, Tag("of tokens")]
    | Annotated[MixedCorpus, Tag("of corpora")],
    Discriminator(_corpus_kind),
]
"""A corpus made from text, one of ready-made tokens, or a mixture of these."""
