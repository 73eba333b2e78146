"""Building of a corpus: read and verify the sources, order the documents, and write the splits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path

from tqdm import tqdm

from noiseband.corpus.documents import SPLITS, Document
from noiseband.corpus.reading import Reading
from noiseband.corpus.row_documents import Tally
from noiseband.corpus.shuffle import Shuffled
from noiseband.corpus.sources import Read, open_sources
from noiseband.corpus.work_folder import work_folder
from noiseband.dag.code import code_digest
from noiseband.errors import UserError
from noiseband.io.files import write_json, write_jsonl
from noiseband.study.corpora import Documents
from noiseband.study.section import canonical_json


def build_corpus(
    config: Documents,
    out: Path,
    tell: Callable[[str], object] = lambda sentence: None,
    work: Path | None = None,
) -> None:
    """Write `train.jsonl`, `validation.jsonl`, `test.jsonl` and `card.json` into the folder `out`.

    A row is `{"id", "text"}`. The files depend only on the config and on files that it does not
    pin. Only a few documents are in memory at a time, except those of packages. `tell` takes
    sentences for the user about documents that were repaired. The folder `work`, by default inside
    `out`, is for documents that are being shuffled. It remains after a failure, and the next start
    goes on where this one was interrupted.

    Raises UserError if a source cannot be read, if content does not match its pin, if a split would
    be empty, if `as-read` sources have another number of documents than they said, or if the disk
    is full.
    """
    sources = open_sources(config.sources)
    folder = work or out / ".work"
    with work_folder(folder):
        _build(config, sources, out, folder / "documents")
    for source in sources:
        for note in source.notes():
            tell(f"corpus {out.name}: {note}")


def _build(config: Documents, sources: list[Read], out: Path, scratch: Path) -> None:
    documents = chain.from_iterable(sources)
    bar = partial(tqdm, unit=" documents", unit_scale=True, delay=2, disable=None)
    if config.order == "hashed":
        reading = Reading(sources)
        shuffled = Shuffled(reading, scratch, _identity(config, reading))
        duplicates, sizes = shuffled.duplicates, split_sizes(shuffled.count, config)
        ordered: Iterator[Document] = iter(bar(shuffled, desc="Writing", total=shuffled.count))
    else:
        count = sum(map(len, sources))
        duplicates, sizes = 0, split_sizes(count, config)
        ordered = iter(bar(documents, desc="Writing", total=count))
    tallies = {split: _write(out / f"{split}.jsonl", ordered, n) for split, n in sizes.items()}
    # The next document also finishes the last source, as its card needs.
    more, found = next(ordered, None) is not None, sum(one.documents for one in tallies.values())
    if more or found < sum(sizes.values()):
        raise UserError(
            f"{out}: the splits are for {sum(sizes.values()):,} documents, but the sources have "
            f"{'more' if more else f'only {found:,}'}; if they changed while they were read, run "
            "again; if a data set's own record of its rows is out of date, write order: hashed, "
            "which needs none, or `first: ` and its number of rows"
        )
    card = {
        **({} if config.order == "hashed" else {"order": config.order}),
        "sources": [source.card() for source in sources],
        "duplicates_left_out": duplicates,
        "splits": {split: vars(tallies[split]) for split in SPLITS},
    }
    write_json(out / "card.json", card)


def _identity(config: Documents, reading: Reading) -> str:
    """A digest of everything that decides the documents; empty if that cannot be known."""
    if reading.contents is None:
        return ""
    code = code_digest("corpus.build", "corpus.embedded.readers")
    return hashlib.sha256(
        canonical_json([code, config.text, reading.contents]).encode()
    ).hexdigest()


def split_sizes(documents: int, config: Documents) -> dict[str, int]:
    """Return the number of documents in each split, in the order in which the splits are filled.

    `round(test * n)` and `round(validation * n)` documents are held out, and the rest are for
    training. The order of the splits is test, validation, training for `hashed` documents, and the
    reverse for those `as-read`. Raises UserError if a split that should not be empty would be.
    """
    tests, validations = (round(part * documents) for part in (config.test, config.validation))
    sizes = {"train": documents - tests - validations, "validation": validations, "test": tests}
    for split, size in sizes.items():
        if size <= 0 and not (split == "validation" and config.validation == 0):
            raise UserError(
                f"validation={config.validation}, test={config.test}: of {documents} documents, "
                f"none is left for {split}; change the shares or add a source"
            )
    order = ("test", "validation", "train") if config.order == "hashed" else SPLITS
    return {split: sizes[split] for split in order}


def _write(path: Path, ordered: Iterable[Document], count: int) -> Tally:
    """Write the next documents as a split file, and return their tally."""
    tally = Tally()
    part = tally.count(islice(ordered, count))
    write_jsonl(path, ({"id": document.id, "text": document.text} for document in part))
    return tally
