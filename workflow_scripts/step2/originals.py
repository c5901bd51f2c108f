"""Putting a converted video in the place of its source, so that a kill at any moment loses nothing.

The order: a record of what is about to happen; the source gets a second name in `originals/`; the result takes
`docs/<stem>.mp4` in one step; the source loses its name in `docs/`. At every moment the source and, from the
third act on, the result are there under their full names, and the record tells which is which.
"""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.atomic import remove_leftovers, replace, sync_folder, temporary_path
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.manifest import FileRecord, read_manifest, sha256_of
from workflow_scripts.common.projects import Video

RECORD = "conversion.json"
# Errors that say that a file system has no second names, or none across folders.
_NO_LINKS = (errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EACCES)


@dataclass(frozen=True)
class Conversion:
    """What was converted into what: the source's name in `docs/` and in `originals/`, and both contents."""

    source: str
    source_sha256: str
    original: str
    result_sha256: str

    def write(self, video: Video) -> None:
        """Store the record for a video."""
        video.workflow.mkdir(parents=True, exist_ok=True)
        write_json(video.workflow / RECORD, asdict(self))


def read_conversion(video: Video) -> Conversion | None:
    """The record of a video's conversion, None when there is none or it is damaged (then nothing is known)."""
    path = video.workflow / RECORD
    if not path.is_file():
        return None
    try:
        return Conversion(**load_json(path))
    except (ArtifactError, TypeError):
        return None


def source_of(video: Video) -> FileRecord:
    """The file a result is made from: the original when `docs/` holds what was made of it, else that in `docs/`."""
    manifest = read_manifest(video.workflow / "STEP2.json")
    records = [*manifest.inputs.values(), *manifest.outputs.values()] if manifest else []
    known = {record.path: record for record in records}

    def record_of(path: Path) -> FileRecord:
        return FileRecord.of(path, video.root, known.get(str(path.relative_to(video.root))))

    here = record_of(video.path)
    conversion = read_conversion(video)
    if conversion and video.name == video.converted.name and here.sha256 == conversion.result_sha256:
        original = video.project.originals / conversion.original
        if original.is_file():
            return record_of(original)
    return here


def settle(video: Video) -> bool:
    """Finish a replacement that was interrupted before the source lost its name in `docs/`; True when it did.

    Only a file that is the recorded source, and is safe in `originals/`, loses its name, and only when `docs/`
    holds what was made of it.
    """
    conversion = read_conversion(video)
    if conversion is None or conversion.source != video.name or video.name == video.converted.name:
        return False
    original, result = video.project.originals / conversion.original, video.converted.path
    if not (original.is_file() and result.is_file()) or result.samefile(video.path):
        return False
    same = original.samefile(video.path) or _holds(video.path, conversion.source_sha256)
    if not (same and _holds(original, conversion.source_sha256) and _holds(result, conversion.result_sha256)):
        return False
    video.path.unlink()
    sync_folder(video.path.parent)
    return True


def put_in_place(video: Video, source: Path, source_sha256: str, result: Path) -> Path:
    """Let a finished and checked result take its name; returns where the source lies from now on."""
    originals = video.project.originals
    if source.parent == originals:  # converted again from the original
        original = source
    else:
        originals.mkdir(exist_ok=True)
        remove_leftovers(originals)
        original = _free_name(originals, video.name, source_sha256)
    with result.open("rb+") as stream:
        os.fsync(stream.fileno())
    before = read_conversion(video)
    name = before.source if before and source is original else video.name
    Conversion(name, source_sha256, original.name, sha256_of(result)).write(video)
    if not original.exists():
        _second_name(source, original)
    target = video.converted.path
    replace(result, target)
    if source not in (original, target):
        if source.exists() and source.samefile(target):  # a.MP4 where names know no case: only the spelling changes
            source.rename(target)
        else:
            source.unlink(missing_ok=True)
        sync_folder(target.parent)
    return original


def restore(video: Video, original: Path) -> None:
    """Put an original back as `docs/<stem>.mp4`, and keep it in `originals/` too."""
    target = video.converted.path
    copy = temporary_path(target, ".mp4")
    try:
        _copy(original, copy)
        replace(copy, target)
    finally:
        copy.unlink(missing_ok=True)
    (video.workflow / RECORD).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    shutil.copy2(source, target)
    with target.open("rb+") as stream:
        os.fsync(stream.fileno())


def _free_name(folder: Path, name: str, sha256: str) -> Path:
    """The source's name in `originals/`; another one when an older, different original has it."""
    stem, suffix = Path(name).stem, Path(name).suffix
    path, number = folder / name, 2
    while path.exists() and not _holds(path, sha256):
        path, number = folder / f"{stem} ({number}){suffix}", number + 1
    return path


def _second_name(source: Path, original: Path) -> None:
    """Make a file appear in `originals/` too, by a hard link, or by a copy where there are none."""
    try:
        os.link(source, original)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        copy = temporary_path(original)
        try:
            _copy(source, copy)
            replace(copy, original)
        finally:
            copy.unlink(missing_ok=True)
    sync_folder(original.parent)


def _holds(path: Path, sha256: str) -> bool:
    return sha256_of(path) == sha256
