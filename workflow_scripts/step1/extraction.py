"""From a source to a project: check everything, write into a partial folder, rename it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.errors import ArtifactError, RefusedError
from workflow_scripts.common.manifest import FileRecord, file_sha256
from workflow_scripts.common.projects import VIDEO_SUFFIXES
from workflow_scripts.step1.archives import format_of, open_source
from workflow_scripts.step1.folder_source import FolderSource
from workflow_scripts.step1.inbox import project_name, tree_digest
from workflow_scripts.step1.layout import Layout, lay_out
from workflow_scripts.step1.limits import Limits, Meter
from workflow_scripts.step1.members import check_members, folded, shown
from workflow_scripts.step1.partial import become_project, only_extraction, partial_folder
from workflow_scripts.step1.reading import Archive
from workflow_scripts.step1.writer import Progress, Writer

#: Where a project says what it was made from, relative to the project.
ORIGIN = Path(".workflow", "source.json")


@dataclass(frozen=True)
class Extraction:
    """A project that came out of a source.

    Attributes:
        project: its folder.
        files, size: how many files were written, and their bytes.
        videos: how many videos are directly in `docs`.
        dropped: stored names of files that were left out (what Finder and Explorer leave, old manifests).
        renamed: stored path and new name of each video that had to be renamed.
        outside: stored names of videos beside `docs`, which are not processed.
        known: whether an earlier run had made it, so that nothing was written now.
    """

    project: Path
    files: int
    size: int
    videos: int
    dropped: Sequence[str]
    renamed: Sequence[tuple[str, str]]
    outside: Sequence[str]
    known: bool = False


def extract(source: Path, record: FileRecord, projects: Path, limits: Limits, progress: Progress) -> Extraction:
    """Make a project of an archive, a folder or a single video.

    A project that was made of the same content under the same name is found again and not made twice: so ends
    a run that was killed before it could put the source away.

    Args:
        source: the archive, folder or video; it is only read.
        record: what it was when it was found; a source that has changed since is refused.
        projects: the folder of projects.
        limits: what the source may hold.
        progress: told about the bytes written.

    Raises:
        RefusedError: the source is bad or hostile; nothing of it is left in `projects`.
        VideoError: the disk is full or cannot be written to; nothing is left either.
        BlockedError: another process is extracting.
    """
    name = project_name(source)
    with only_extraction(projects):
        known = _made_before(projects, name, record)
        if known is not None:
            return known
        room = max(0, shutil.disk_usage(projects).free - limits.keep_free)
        with open_source(source, limits, room) as archive:
            check_members(source.name, archive.members)
            layout = lay_out(archive.members)
            _check_videos(source.name, archive, layout)
            meter = Meter(source.name, limits, archive.packed, room)
            _check_declared(archive, meter)
            with partial_folder(projects) as partial:
                with Writer(source.name, archive.members, layout, partial, meter, progress) as writer:
                    archive.pour(writer)
                made = _finish(source, record, archive, layout, partial, writer)
                return replace(made, project=become_project(partial, name))


def _finish(
    source: Path, record: FileRecord, archive: Archive, layout: Layout, partial: Path, writer: Writer
) -> Extraction:
    """Make sure that everything came, from what was recorded, and write down what the project is made of."""
    writer.check_complete()
    _check_source(source, record, archive, writer)
    _check_copies(source, archive, layout, partial, writer)
    made = Extraction(
        partial, writer.files, writer.size, layout.videos, layout.dropped, layout.renamed, layout.outside
    )
    _write_origin(partial, source, record, layout, writer.digests, made)
    return made


def _check_videos(source: str, archive: Archive, layout: Layout) -> None:
    if layout.videos:
        return
    inner = any(m.name.lower().endswith((".zip", ".7z", ".tar", ".gz", ".rar")) for m in archive.members)
    raise RefusedError(
        f"{shown(source)}: holds no video.",
        hint="Archives inside an archive are not opened: unpack it first."
        if inner
        else f"Videos end in {', '.join(VIDEO_SUFFIXES)}.",
    )


def _check_declared(archive: Archive, meter: Meter) -> None:
    """Refuse early what says itself that it is too big; what says less than it holds is stopped later."""
    sizes = [member.size for member in archive.members if member.kind == "file"]
    meter.check(sum(sizes), max(sizes, default=0))


def _check_source(source: Path, record: FileRecord, archive: Archive, writer: Writer) -> None:
    """What was read must be what was recorded."""
    if isinstance(archive, FolderSource) and source.is_dir():
        digests = {archive.members[index].name: digest for index, digest in writer.digests.items()}
        same = tree_digest(digests) == record.sha256
    else:
        status = source.stat()
        same = (status.st_size, status.st_mtime_ns) == (record.size, record.mtime_ns)
    if not same:
        raise RefusedError(
            f"{shown(source.name)}: it changed while it was read; nothing was extracted.",
            hint="Run STEP1 again when the copy is complete.",
        )


def _check_copies(source: Path, archive: Archive, layout: Layout, partial: Path, writer: Writer) -> None:
    """Read copies back before their originals are put away; what comes out of an archive has its checksum."""
    if not isinstance(archive, FolderSource):
        return
    for index, target in layout.targets.items():
        if file_sha256(partial / target) != writer.digests[index]:
            raise RefusedError(
                f"{shown(source.name)}: the copy of '{shown(archive.members[index].name)}' differs from the "
                "original; nothing was kept.",
                hint="Check the disk and run STEP1 again.",
            )


def _write_origin(
    partial: Path, source: Path, record: FileRecord, layout: Layout, digests: Mapping[int, str], made: Extraction
) -> None:
    path = partial / ORIGIN
    path.parent.mkdir(parents=True)
    write_json(
        path,
        {
            "name": source.name,
            "format": "folder" if source.is_dir() else format_of(source) or "video",
            "size": record.size,
            "sha256": record.sha256,
            "files": {str(target): digests[index] for index, target in sorted(layout.targets.items())},
            "bytes": made.size,
            "videos": made.videos,
            "dropped": list(made.dropped),
            "renamed": [list(pair) for pair in made.renamed],
            "outside": list(made.outside),
        },
    )


def _made_before(projects: Path, name: str, record: FileRecord) -> Extraction | None:
    for project in sorted(projects.iterdir()):
        wished, _, number = project.name.rpartition(" (")
        same_name = folded(project.name) == folded(name)
        numbered = folded(wished) == folded(name) and number[:-1].isdigit() and number.endswith(")")
        if not (same_name or numbered):
            continue
        known = _read_origin(project)
        if known is not None and known[0] == record.sha256:
            return known[1]
    return None


def _read_origin(project: Path) -> tuple[str, Extraction] | None:
    """The sha256 of the source a project was made of, and what came out; None when it was not made here."""
    try:
        data = load_json(project / ORIGIN)
        made = Extraction(
            project,
            len(data["files"]),
            data["bytes"],
            data["videos"],
            data["dropped"],
            [(stored, new) for stored, new in data["renamed"]],
            data["outside"],
            known=True,
        )
        return data["sha256"], made
    except (ArtifactError, KeyError, TypeError, ValueError):
        return None
