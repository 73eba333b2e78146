"""Instruction rows for fine-tuning, from any of the kinds of source, split by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from noiseband.corpus.alpaca import checked_rows, read_alpaca
from noiseband.corpus.embedded.questions import generate_questions
from noiseband.corpus.packages import package_files
from noiseband.corpus.questions import HELD_OUT, in_train, without_seen
from noiseband.corpus.row_files import without_nulls
from noiseband.corpus.streams import DatasetStream
from noiseband.errors import UserError
from noiseband.io.files import write_jsonl
from noiseband.study.instructions import (
    DatasetRows,
    FileRows,
    HubRows,
    Instructions,
    PackageRows,
    Part,
    Rows,
    UrlRows,
)


def build_instructions(
    config: Instructions, out: Path, tell: Callable[[str], object] = lambda sentence: None
) -> None:
    """Write the `instruction_rows` as `rows.jsonl` into the folder `out`, one on each line.

    `tell` takes sentences for the user about questions that are in two splits.
    """
    rows = instruction_rows(config, lambda note: tell(f"instructions {out.name}: {note}"))
    write_jsonl(out / "rows.jsonl", rows)


def instruction_rows(
    config: Instructions, tell: Callable[[str], object] = lambda sentence: None
) -> list[dict[str, Any]]:
    """Return rows with `instruction`, `input` (may be empty), `output` and `split`, in order.

    `split` depends on the position: `train`, then `test`, then `validation`. A share is rounded to
    whole rows. With `seen_questions: drop`, rows are then left out as `without_seen` does. Raises
    UserError if rows cannot be read or are bad, or if a split has no rows.
    """
    rows = _rows(config)
    splits = split_names(config, len(rows))
    whole = [{**row, "split": split} for row, split in zip(rows, splits, strict=False)]
    if config.seen_questions == "keep":
        if note := _seen(whole):
            tell(note)
        return whole
    kept = without_seen(whole)
    if note := _dropped(whole, kept):
        tell(note)
    return kept


def _seen(rows: Sequence[dict[str, Any]]) -> str | None:
    """A sentence about the questions that are also in train; None if there are none."""
    found = {split: in_train(rows, split) for split in HELD_OUT}
    seen = sum(len(one.rows) for one in found.values())
    if not seen:
        return None
    parts = [f"{len(one.rows):,} of {one.questions:,} {split}" for split, one in found.items()]
    exactly = sum(one.exactly for one in found.values())
    return (
        f"{' and '.join(parts)} questions are also in train ({exactly:,} exactly, "
        f"{seen - exactly:,} up to case, punctuation and blanks); seen_questions: drop leaves such "
        "rows out of train"
    )


def _dropped(whole: Sequence[dict[str, Any]], kept: Sequence[dict[str, Any]]) -> str | None:
    """A sentence about the rows that were dropped; None if there are none.

    Raises UserError if a split has no rows left.
    """
    before, after = (Counter(row["split"] for row in rows) for rows in (whole, kept))
    for split, count in before.items():
        if not after[split]:
            raise UserError(
                f"instructions: seen_questions=drop leaves no rows for {split}, because all of its "
                f"{count:,} questions are also in a split that scores or chooses models; get other "
                "rows, or write keep"
            )
    dropped = before - after
    if not dropped:
        return None
    parts = [f"{count:,} of {before[split]:,} rows of {split}" for split, count in dropped.items()]
    return (
        f"seen_questions: drop left out {' and '.join(parts)}, because their questions are also in "
        f"{'test or validation' if dropped['train'] else 'test'}"
    )


def _rows(config: Instructions) -> Sequence[dict[str, Any]]:
    match config:
        case FileRows():
            file = Path(config.path)
            return read_alpaca(file, "instructions.path", config.sha256, config.without_answer)
        case PackageRows():
            file = _package_file(config)
            return read_alpaca(file, "instructions.file", config.sha256, config.without_answer)
        case HubRows():
            return _hub_rows(config)
        case DatasetRows():
            return _dataset_rows(config)
        case UrlRows():
            return _url_rows(config)
        case _:
            return generate_questions(config)


def _package_file(config: PackageRows) -> Path:
    files = package_files(config.package, config.version, "instructions")
    if config.file not in files:
        raise UserError(
            f"instructions.file: {config.package} {config.version} has no {config.file}; "
            f"its files are listed by `pip show -f {config.package}`"
        )
    return files[config.file]


def _hub_rows(config: HubRows) -> Sequence[dict[str, Any]]:
    # Imported here because other rows need no Hub, and its client imports slowly.
    from noiseband.io.hub_files import fetch_file

    with TemporaryDirectory() as folder:
        out = Path(folder, Path(config.file).name)
        fetch_file(
            config.repo,
            config.revision,
            config.file,
            out,
            repo_type="dataset",
            sha256=config.sha256,
        )
        # The SHA-256 is None because fetch_file has already checked it.
        return read_alpaca(out, "instructions.file", None, config.without_answer)


def _dataset_rows(config: DatasetRows) -> Sequence[dict[str, Any]]:
    values = (
        (number, without_nulls(row), None) for number, row in enumerate(DatasetStream(config), 1)
    )
    return checked_rows(values, f"instructions.dataset: {config.origin}", config.without_answer)


def _url_rows(config: UrlRows) -> Sequence[dict[str, Any]]:
    from noiseband.io.downloads import download  # Imported here for the same reason.

    with TemporaryDirectory() as folder:
        out = Path(folder, "rows" + Path(config.url).suffix)
        download(config.url, config.sha256, out)
        return read_alpaca(out, "instructions.url", None, config.without_answer)


def split_names(config: Rows, rows: int) -> list[str]:
    """Return the split of each row by position, for at most `rows` rows.

    Raises UserError if a split has no rows, or if the splits need more rows than there are.
    """

    def number(part: Part) -> int:
        return round(part * rows) if isinstance(part, float) else part

    train, test = number(config.train), number(config.test)
    left = rows - train - test
    validation = left if config.validation is None else number(config.validation)
    counts = {"train": train, "test": test, "validation": validation}
    asked = ", ".join(
        f"{name}={part}" for name in counts if (part := getattr(config, name)) is not None
    )
    if sum(counts.values()) > rows:
        raise UserError(
            f"instructions: {asked} need {sum(counts.values())} rows of {rows}; ask for fewer"
        )
    for name, count in counts.items():
        if count < 1:
            raise UserError(
                f"instructions: {asked} of {rows} rows leave none for {name}; change the shares "
                "or ask for more rows"
            )
    return [name for name, count in counts.items() for _ in range(count)]
