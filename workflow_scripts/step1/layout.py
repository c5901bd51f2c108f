"""Where the files of an archive go inside a project.

What is packed, and what the project holds (everything not named here keeps its place):

    Show.zip: Show/a.mp4, Show/b.mp4            docs/a.mp4, docs/b.mp4    a single root folder is flattened
    Show.zip: a.mp4, notes/plan.txt             docs/a.mp4, docs/notes/plan.txt
    Show.zip: Show/docs/a.mp4, Show/Show.aep    docs/a.mp4, Show.aep      a `docs` folder with a video in it
                                                                          is the project's own
    Show.zip: day1/a.mp4, day1/b.mp4            docs/a.mp4, docs/b.mp4    steps look directly into `docs`
    Show.zip: day1/a.mp4, day2/a.mp4            docs/day1 - a.mp4, docs/day2 - a.mp4
    Show.zip: a.mp4, a.mov                      docs/a.mp4, docs/a (mov).mov

Artifacts are named after a video's stem, so no two videos of a project may share one, not even in another
case or composition. A name is changed only then, and the same way whatever the order in the archive; stems
are otherwise kept byte for byte. Where the archive has its own `docs`, videos beside it stay where they are
(an artist's footage, to which a project file points) and are not processed. `.workflow` is never taken from
an archive: manifests are written here. What Finder and Explorer leave behind is dropped. Folders that hold
no file are not made.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.common.projects import is_video_name
from workflow_scripts.step1.members import MAX_COMPONENT_BYTES, Member, folded, shown

Parts = tuple[str, ...]

_JUNK_FOLDERS = {"__MACOSX", ".Spotlight-V100", ".Trashes", ".fseventsd"}
_JUNK_FILES = {".ds_store", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Layout:
    """Where each file goes.

    Attributes:
        targets: index of the member -> path relative to the project.
        dropped: stored names of the files that are left out.
        renamed: stored path and new name of every video whose stem had to change.
        videos: how many videos are directly in `docs`.
        outside: stored names of videos beside `docs`, which are kept and not processed.
    """

    targets: Mapping[int, PurePosixPath]
    dropped: Sequence[str]
    renamed: Sequence[tuple[str, str]]
    videos: int
    outside: Sequence[str]


def lay_out(members: Sequence[Member]) -> Layout:
    """Decide where each file goes; see the table above.

    Args:
        members: the entries of an archive, their names checked.

    Raises:
        RefusedError: two videos share a stem and no name of 255 bytes tells them apart.
    """
    files = {i: m.parts for i, m in enumerate(members) if m.kind == "file" and not _is_junk(m.parts)}
    files = _without_root(files)
    files = {i: parts for i, parts in files.items() if folded(parts[0]) != ".workflow"}
    beside: dict[int, Parts] = {}
    if any(_in_docs(parts) and is_video_name(parts[-1]) for parts in files.values()):
        beside = {i: parts for i, parts in files.items() if not _in_docs(parts)}
        files = {i: parts[1:] for i, parts in files.items() if _in_docs(parts)}
    videos = {i: parts for i, parts in files.items() if is_video_name(parts[-1])}
    others = {i: parts for i, parts in files.items() if i not in videos}
    names = _names_in_docs(videos, {folded(parts[0]) for parts in others.values()})
    targets = {i: PurePosixPath("docs", *parts) for i, parts in others.items()}
    targets |= {i: PurePosixPath("docs", name) for i, name in names.items()}
    targets |= {i: PurePosixPath(*parts) for i, parts in beside.items()}
    return Layout(
        targets=targets,
        dropped=[m.name for i, m in enumerate(members) if m.kind == "file" and i not in targets],
        renamed=[("/".join(videos[i]), name) for i, name in sorted(names.items()) if name != videos[i][-1]],
        videos=len(videos),
        outside=["/".join(parts) for parts in beside.values() if is_video_name(parts[-1])],
    )


def _is_junk(parts: Parts) -> bool:
    last = parts[-1]
    return bool(_JUNK_FOLDERS & set(parts)) or last.lower() in _JUNK_FILES or last.startswith("._")


def _in_docs(parts: Parts) -> bool:
    return len(parts) > 1 and folded(parts[0]) == "docs"


def _without_root(files: dict[int, Parts]) -> dict[int, Parts]:
    roots = {parts[0] for parts in files.values()}
    if len(roots) != 1 or any(len(parts) == 1 for parts in files.values()):
        return files
    return {i: parts[1:] for i, parts in files.items()}


def _names_in_docs(videos: Mapping[int, Parts], occupied: set[str]) -> dict[int, str]:
    """A name directly in `docs` for each video, no two with the same folded stem.

    First come those that keep their name, then the others by their stored path: the result does not depend
    on the order in the archive.
    """
    shared = Counter(_stem(parts[-1]) for parts in videos.values())
    wanted = {i: parts[-1] for i, parts in videos.items()}
    for i, parts in videos.items():
        long_name = " - ".join(parts)
        if shared[_stem(parts[-1])] > 1 and len(long_name.encode()) <= MAX_COMPONENT_BYTES:
            wanted[i] = long_name
    taken: set[str] = set()
    names: dict[int, str] = {}
    for i in sorted(videos, key=lambda i: _precedence(videos[i], wanted[i])):
        names[i] = _free_name(wanted[i], taken, occupied, "/".join(videos[i]))
        taken.add(_stem(names[i]))
    return names


def _precedence(parts: Parts, wanted: str) -> tuple[bool, bool, bool, Parts]:
    return (len(parts) > 1, wanted != parts[-1], not wanted.lower().endswith(".mp4"), parts)


def _free_name(wanted: str, taken: set[str], occupied: set[str], stored: str) -> str:
    stem, dot, suffix = wanted.rpartition(".")
    candidates = [wanted, f"{stem} ({suffix.lower()}){dot}{suffix}"]
    candidates += [f"{stem} ({n}){dot}{suffix}" for n in range(2, len(taken) + 3)]
    for name in candidates:
        free = _stem(name) not in taken and folded(name) not in occupied
        if free and len(name.encode()) <= MAX_COMPONENT_BYTES:
            return name
    raise RefusedError(
        f"'{shown(stored)}' shares its name with another video, and there is no room in it to tell them apart.",
        hint="Shorten one of the names and pack again.",
    )


def _stem(name: str) -> str:
    return folded(name.rpartition(".")[0])
