"""Files that lie where a step is about to write, and that no step wrote: kept, never lost.

A person's own `<stem>.csv` from an archive, or an artifact edited by hand, goes to `originals/` when a step writes
that name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.common.manifest import read_manifest, sha256_of


@contextmanager
def keep_displaced(
    targets: Sequence[Path], manifests: Path, originals: Path, warn: Callable[[str], None]
) -> Iterator[None]:
    """While the block writes `targets`, hold a second name on each that exists and that no manifest stands by.

    What was replaced by other content stays in `originals`, and `warn` says so; what was not replaced, or by the
    same content (a step that was killed before its manifest and is repeated), leaves nothing behind.

    Args:
        targets: the files the block may write.
        manifests: the folder whose manifests say which content is a step's own.
        originals: where replaced files are kept.
    """
    foreign = [path for path in targets if path.is_file() and not _stood_by(path, manifests)]
    kept = {path: _second_name(path, originals) for path in foreign}
    try:
        yield
    finally:
        for path, copy in kept.items():
            if path.is_file() and sha256_of(path) == sha256_of(copy):
                copy.unlink()
            else:
                warn(
                    f"{path.name}: replaced a file that no step wrote; it is kept as {originals.name}/{copy.name}."
                )


def _stood_by(path: Path, manifests: Path) -> bool:
    found = (read_manifest(file) for file in manifests.glob("STEP*.json") if not file.name.endswith(".failed.json"))
    known = {record.sha256 for manifest in found if manifest is not None for record in manifest.outputs.values()}
    return sha256_of(path) in known


def _second_name(path: Path, originals: Path) -> Path:
    originals.mkdir(parents=True, exist_ok=True)
    copy = next(
        place
        for number in range(1, 10_000)
        if not (
            place := originals / (path.name if number == 1 else f"{path.stem} ({number}){path.suffix}")
        ).exists()
    )
    try:
        os.link(path, copy)
    except OSError:  # a file system without hard links
        shutil.copy2(path, copy)
    return copy
