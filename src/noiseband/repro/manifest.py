"""The digest of every deterministic artefact of a study, in one file to compare."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from noiseband.io.checksums import file_sha256, intact
from noiseband.io.digests import file_digest
from noiseband.io.files import write_json


def artefact_digest(path: Path) -> str:
    """Of a safetensors file the tensors' digest; of any other file the SHA-256 of its bytes.

    Raises UserError for a damaged file.
    """
    return file_digest(path) if path.suffix == ".safetensors" else file_sha256(intact(path))


def write_manifest(
    results: Path, artefacts: Sequence[Path], out: Path, judged: Sequence[Path] = ()
) -> None:
    """Write `{"sha256": whole, "artefacts": {path under results: sha256}}`, sorted by path.

    The whole is the SHA-256 of the lines `<sha256>  <path>`, as `sha256sum` would print them.

    `judged` are files that are equal across reruns for one store of a judge's replies, but not if
    the judge is asked anew. They are listed beside the artefacts, under `judged` (where there are
    any), and are no part of the whole.
    """
    each = _digests(results, artefacts)
    lines = "".join(f"{digest}  {path}\n" for path, digest in each.items())
    manifest = {"sha256": hashlib.sha256(lines.encode()).hexdigest(), "artefacts": each}
    write_json(out, manifest | ({"judged": _digests(results, judged)} if judged else {}))


def _digests(results: Path, files: Sequence[Path]) -> dict[str, str]:
    return {path.relative_to(results).as_posix(): artefact_digest(path) for path in sorted(files)}
