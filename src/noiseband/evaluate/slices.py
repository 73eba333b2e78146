"""The loss of each slice of a window: of the documents that have one value of a field."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from noiseband.corpus.fields import read_field
from noiseband.corpus.token_file import Tokens
from noiseband.errors import UserError
from noiseband.evaluate.documents import AnyDocument, clustered_error, documents_in
from noiseband.evaluate.window import first_target, window_targets
from noiseband.io.metrics import Measured
from noiseband.study.evaluations import FurtherLoss, slice_metric

SHOWN = 5
"""The number of values that a message names."""


def window_slices(
    key: str,
    window: FurtherLoss,
    context: int,
    tokens: Tokens,
    end_of_text: int,
    fields: Path,
) -> list[str | None]:
    """The slice of each document of a window, which may be cut off by it; None if it is in none.

    Args:
        key: key of the window in the config, for errors.
        context: context of the model.
        tokens: all tokens of the split, 1-D.
        end_of_text: id that ends a document.
        fields: the fields of the split's documents.

    Raises:
        UserError: a slice has no document, or the window does not fit the split.
    """
    first = first_target(window)
    stop = first + window_targets(len(tokens), window, context)
    values = read_field(fields, window.field, documents_in(tokens, first, stop, end_of_text))
    there = Counter(values)
    for value in window.slices.values():
        if value not in there:
            most = ", ".join(name for name, _ in there.most_common(SHOWN))
            raise UserError(
                f"{key}.by.{window.field}: {value}: no document of the window has it; correct it "
                f"(the most frequent are {most}), take more tokens, or leave it out"
            )
    wanted = set(window.slices.values())
    return [value if value in wanted else None for value in values]


def sliced_losses(
    values: Iterable[str], documents: Sequence[AnyDocument], slices: Sequence[str | None]
) -> dict[str, Measured]:
    """The loss of each slice, by the name of its metric, with its standard error over the documents
    of the slice.

    Args:
        values: the values of the field that have a slice.
        documents: the documents of the window.
        slices: the slice in which each of them is.
    """
    found = {}
    for value in values:
        own = [one for one, its in zip(documents, slices, strict=True) if its == value]
        loss = math.fsum(one.total for one in own) / sum(one.size for one in own)
        found[slice_metric(value)] = Measured(loss, clustered_error(own), len(own))
    return found
