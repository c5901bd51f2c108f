"""Copying results to where they are used, verified, without touching what others put there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.atomic import remove_leftovers, replace, temporary_path
from workflow_scripts.common.errors import RefusedError, VideoError
from workflow_scripts.common.manifest import file_sha256


def deliver(files: Mapping[Path, Path], record: Path) -> None:
    """Copy files to their places, skipping those that are there already.

    The record lists, per file name, the sha256 values this product ever wrote there. It is extended before the
    first copy, so that a delivery that was interrupted is known as ours when it is resumed.

    Args:
        files: source to place.
        record: the JSON file that says what was delivered before.

    Raises:
        RefusedError: a file lies in one of the places that this product did not write, or that was edited.
        VideoError: there is not enough space, or a copy does not read back the same.
    """
    for folder in {place.parent for place in files.values()}:  # what was killed here has not removed its own
        remove_leftovers(folder)
    written: dict[str, list[str]] = load_json(record)["written"] if record.is_file() else {}
    missing = {}
    for source, place in files.items():
        digest = file_sha256(source)
        if not _holds(place, digest, written.get(place.name, [])):
            missing[source] = digest
    _check_space(list(missing), record.parent)
    for source, digest in missing.items():
        known = written.setdefault(files[source].name, [])
        written[files[source].name] = [*(old for old in known if old != digest), digest]
    record.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, {"written": written})
    for source, digest in missing.items():
        copy_verified(source, files[source], digest)


def _holds(place: Path, digest: str, ours: list[str]) -> bool:
    """Whether a place holds the content already; False means it may be written."""
    if not place.exists() and not place.is_symlink():
        return False
    present = file_sha256(place) if place.is_file() else ""
    if present == digest:
        return True
    if present in ours:
        return False
    raise RefusedError(
        f"{place}: there is another file of this name that was not delivered from here, or was edited since.",
        hint="Move or rename it, then run STEP7 again.",
    )


def _check_space(sources: list[Path], folder: Path) -> None:
    needed = sum(source.stat().st_size for source in sources)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        text = f"{folder}: {needed / 1e6:.0f} MB are to be delivered and {free / 1e6:.0f} MB are free."
        raise VideoError(text, hint="Make room and run STEP7 again.", retry=True)


def copy_verified(source: Path, place: Path, digest: str) -> None:
    """Copy a file so that its place holds nothing or all of it: copy, fsync, read back, rename.

    Raises:
        VideoError: what was read back is not what was to be written.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(place)
    try:
        shutil.copyfile(source, temporary)
        shutil.copystat(source, temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        if file_sha256(temporary) != digest:
            raise VideoError(f"{place}: the copy does not read back the same.", hint="Check that disk.", retry=True)
        replace(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)
