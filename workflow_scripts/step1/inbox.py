"""The inbox: what lies in it, whether it is there completely, and putting it away."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from pathlib import Path

from workflow_scripts.common.atomic import sync_folder
from workflow_scripts.common.errors import RefusedError, VideoError
from workflow_scripts.common.manifest import FileRecord, file_sha256
from workflow_scripts.common.projects import is_video_name
from workflow_scripts.step1.archives import ARCHIVE_SUFFIXES, format_of
from workflow_scripts.step1.members import MAX_COMPONENT_BYTES, name_fault, shown
from workflow_scripts.step1.partial import free_path

#: Where sources go once all of their members have come out.
PROCESSED = "processed"
#: A source that changed within the last `YOUNG` seconds is looked at twice, `PAUSE` seconds apart.
YOUNG = 5.0
PAUSE = 1.0


def sources_in(inbox: Path) -> tuple[list[Path], list[Path]]:
    """What lies in an inbox, ordered by name: what STEP1 takes, and files that are nothing for it.

    Taken are folders, files with the suffix of an archive or a video, and archives under any name. Hidden
    entries and `processed` are neither.
    """
    taken: list[Path] = []
    foreign: list[Path] = []
    for path in sorted(inbox.iterdir()) if inbox.is_dir() else []:
        if path.name.startswith(".") or path.name == PROCESSED:
            continue
        named_so = path.name.lower().endswith(ARCHIVE_SUFFIXES) or is_video_name(path.name)
        ours = path.is_dir() or named_so or (path.is_file() and format_of(path) is not None)
        (taken if ours else foreign).append(path)
    return taken, foreign


def project_name(source: Path) -> str:
    """The name a source gives its project: its own without the suffix of an archive or video, byte for byte.

    Raises:
        RefusedError: no folder can have that name.
    """
    name = source.name
    if not source.is_dir():
        suffix = next((s for s in ARCHIVE_SUFFIXES if name.lower().endswith(s)), "")
        if not suffix and is_video_name(name):
            suffix = source.suffix
        name = name[: len(name) - len(suffix)]
    fault = name_fault(name)
    if not name or name.startswith("."):
        fault = "has a hidden name"
    elif len(name.encode("utf-8", "surrogatepass")) > MAX_COMPONENT_BYTES - len(" (999)"):
        fault = "has a name that is too long for a project"
    if fault is not None:
        raise RefusedError(f"{shown(source.name)}: the source {fault}.", hint="Rename it and run STEP1 again.")
    return name


def growing(sources: Iterable[Path]) -> set[Path]:
    """Those sources that are still being written: size or times differ between two looks.

    Only sources that changed in the last seconds need the second look; an old time alone would not do, since
    some copying tools set it early.
    """
    first = {path: _look(path) for path in sources}
    now = time.time()
    young = [path for path, look in first.items() if any(now - changed < YOUNG for _, _, changed in look)]
    if not young:
        return set()
    time.sleep(PAUSE)
    return {path for path in young if _look(path) != first[path]}


def _look(path: Path) -> tuple[tuple[int, int, float], ...]:
    """Size, modification time and time of the last change of each file; nothing when it is gone meanwhile."""
    try:
        statuses = [file.lstat() for file in sorted(path.rglob("*"))] if path.is_dir() else []
        statuses.append(path.stat())
    except FileNotFoundError:
        return ()
    return tuple((s.st_size, s.st_mtime_ns, max(s.st_mtime, s.st_ctime)) for s in statuses)


def record_of(source: Path) -> FileRecord:
    """A source as it is: size in bytes and sha256, for a folder those of what is in it."""
    status = source.stat()
    if source.is_dir():
        files = sorted(path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
        digests = {path.relative_to(source).as_posix(): file_sha256(path) for path in files}
        size = sum(path.stat().st_size for path in files)
        return FileRecord(str(source), size, status.st_mtime_ns, tree_digest(digests))
    return FileRecord(str(source), status.st_size, status.st_mtime_ns, file_sha256(source))


def tree_digest(digests: dict[str, str]) -> str:
    """One sha256 for the files of a folder: names (relative, `/` between components) and their digests."""
    digest = hashlib.sha256()
    for name in sorted(digests):
        digest.update(f"{name}\0{digests[name]}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def put_away(source: Path) -> None:
    """Move a source to `processed/` beside it, under its name or a free one; nothing when it is gone already.

    Raises:
        VideoError: it cannot be moved; it stays where it is, and the next run tries again.
    """
    processed = source.parent / PROCESSED
    suffix = "" if source.is_dir() else _suffix(source.name)
    try:
        processed.mkdir(exist_ok=True)
        target = free_path(processed, source.name[: len(source.name) - len(suffix)], suffix)
        source.rename(target)
    except FileNotFoundError:
        return
    except OSError as error:
        raise VideoError(
            f"{shown(source.name)}: everything came out of it, but it cannot be moved to "
            f"{PROCESSED} ({error.strerror}).",
            hint="Move it by hand, or mend the permissions and run STEP1 again.",
            retry=True,
        ) from error
    sync_folder(source.parent)
    sync_folder(processed)


def _suffix(name: str) -> str:
    return next((name[-len(s) :] for s in ARCHIVE_SUFFIXES if name.lower().endswith(s)), Path(name).suffix)
