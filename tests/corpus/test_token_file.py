from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from noiseband.corpus.token_file import open_tokens, token_header
from noiseband.errors import UserError


def test_opening_reads_no_tokens(tmp_path: Path) -> None:
    """A sparse file of 8 GiB opens at once, because the tokens are mapped."""
    count = 2**32
    header = json.dumps(
        {"tokens": {"dtype": "U16", "shape": [count], "data_offsets": [0, 2 * count]}}
    ).encode()
    path = tmp_path / "big.safetensors"
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + 2 * count)
    ids = open_tokens(path)
    assert isinstance(ids, np.memmap)
    assert ids.shape == (count,)
    assert ids[-1] == 0
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=50), st.booleans())
@settings(max_examples=50, deadline=None)
def test_opens_what_the_library_writes(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], metadata: bool
) -> None:
    path = tmp_path_factory.mktemp("library") / "x.safetensors"
    ids = np.array(values, dtype=np.uint16)
    save_file({"tokens": ids}, path, metadata={"any": "thing"} if metadata else None)
    np.testing.assert_array_equal(open_tokens(path), ids)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": np.zeros(3, dtype=np.uint16)},
        {"tokens": np.zeros(3, dtype=np.int16)},
        {"tokens": np.zeros((3, 1), dtype=np.uint16)},
        {"tokens": np.zeros(3, dtype=np.uint16), "more": np.zeros(3, dtype=np.uint16)},
    ],
)
def test_another_tensor_is_an_error(tensors: dict[str, np.ndarray], tmp_path: Path) -> None:
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(UserError, match=r"x\.safetensors: not a safetensors file with one 1-D U16"):
        open_tokens(tmp_path / "x.safetensors")


@given(st.binary(max_size=40) | st.integers(1, 300))
@settings(max_examples=100, deadline=None)
def test_a_damaged_file_is_an_error(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes | int
) -> None:
    """A few arbitrary bytes, or a truncated token file."""
    whole = token_header(200) + bytes(400)
    path = tmp_path_factory.mktemp("damaged") / "x.safetensors"
    path.write_bytes(whole)
    assert len(open_tokens(path)) == 200
    path.write_bytes(damage if isinstance(damage, bytes) else whole[:-damage])
    with pytest.raises(UserError, match="tokenise the corpus again"):
        open_tokens(path)


@pytest.mark.parametrize("header", [b"[]", b"7", b"{}", b'{"tokens": 7}', b'{"tokens": {}}'])
def test_json_that_is_no_header_is_an_error(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(UserError, match="tokenise the corpus again"):
        open_tokens(path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.safetensors"):
        open_tokens(tmp_path / "nothing.safetensors")
