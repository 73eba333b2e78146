"""The manifest: one file with the digest of every deterministic artefact of a study."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from noiseband.io.checksums import file_sha256, intact
from noiseband.io.digests import file_digest
from noiseband.io.files import write_json


def artefact_digest(path: Path) -> str:
    """The digest of a safetensors file's tensors, or the SHA-256 of any other file's bytes.

    Raises UserError if the file is damaged.
    """
    return file_digest(path) if path.suffix == ".safetensors" else file_sha256(intact(path))


def write_manifest(
    results: Path, artefacts: Sequence[Path], out: Path, judged: Sequence[Path] = ()
) -> None:
    """Write `{"sha256": whole, "artefacts": {path under results: sha256}}`, sorted by path.

    `whole` is the SHA-256 of the lines `<sha256>  <path>`, as `sha256sum` would print them.

    The files in `judged` are equal across reruns that use the same stored replies of a judge, but
    not if the judge is asked again. They are listed separately, under `judged` (if there are any),
    and do not count for `whole`.
    """
    each = _digests(results, artefacts)
    lines = "".join(f"{digest}  {path}\n" for path, digest in each.items())
    manifest = {"sha256": hashlib.sha256(lines.encode()).hexdigest(), "artefacts": each}
    write_json(out, manifest | ({"judged": _digests(results, judged)} if judged else {}))


def _digests(results: Path, files: Sequence[Path]) -> dict[str, str]:
    return {path.relative_to(results).as_posix(): artefact_digest(path) for path in sorted(files)}
