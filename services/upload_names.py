"""Which names an uploaded file or its project may have, told before anything is sent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from workflow_scripts.common.artifacts.transcripts import JSON_SUFFIX
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.events import printable
from workflow_scripts.common.projects import VIDEO_SUFFIXES, is_video_name

#: Suffixes of the archives that STEP1 takes, the longest first.
ARCHIVE_SUFFIXES = (
    ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tar.zstd",
    ".tgz", ".tbz2", ".tbz", ".txz", ".tzst", ".tar", ".zip", ".7z",
)  # fmt: skip
#: What the picker of a browser offers for the inbox, and of what may have sound.
ACCEPTED = tuple(dict.fromkeys((*(f".{suffix.rpartition('.')[2]}" for suffix in ARCHIVE_SUFFIXES),
                                *ARCHIVE_SUFFIXES, *(f".{suffix}" for suffix in VIDEO_SUFFIXES))))  # fmt: skip
SOUNDS = ("audio/*", "video/*", ".m4a", ".mp3", ".wav", ".flac", ".ogg", ".opus", ".aac", ".wma", ".aif", ".aiff",
          ".caf", ".amr", ".mka", *(f".{suffix}" for suffix in VIDEO_SUFFIXES))  # fmt: skip
#: The longest name in bytes, which leaves room for a number where the name is taken.
LONGEST = 255 - len(" (999)")
#: The folder of the inbox that holds what was dealt with.
PROCESSED = "processed"
_DRIVE = re.compile(r"[A-Za-z]:")
_NUMBERS = 1000


def check_file_name(name: str, *, video_only: bool = False) -> None:
    """See that a file of this name can lie in the inbox and that STEP1 will take it.

    Raises:
        UsageError: it cannot; says why.
    """
    _check(name, "file")
    if is_video_name(name) or (not video_only and name.lower().endswith(ARCHIVE_SUFFIXES)):
        if Path(name).stem and not _stem(name).startswith("."):
            return
        raise UsageError(f"{printable(name)}: the file has no name before its suffix.")
    videos = ", ".join(VIDEO_SUFFIXES)
    known = f"Videos end in {videos}." if video_only else f"Archives are zip, 7z and tar; videos end in {videos}."
    raise UsageError(f"{printable(name)}: this is no {'video' if video_only else 'archive or video'}.", hint=known)


def check_sound_name(name: str) -> None:
    """See that a file of this name can be kept to be transcribed; what is in it shows only when it is read.

    Raises:
        UsageError: it cannot; says why.
    """
    _check(name, "file")
    stem = Path(name).stem
    if name.lower().endswith(ARCHIVE_SUFFIXES):
        raise UsageError(f"{printable(name)}: this is an archive, not sound.", hint="Unpack it first.")
    if len(f"{stem}{JSON_SUFFIX}".encode()) > LONGEST:
        raise UsageError(f"The name of the file “{printable(name[:80])}…” is too long.", hint="Make it shorter.")


def check_project_name(name: str) -> None:
    """See that a folder of the inbox, and the project that comes of it, can have this name.

    Raises:
        UsageError: it cannot; says why.
    """
    _check(name, "project")
    if name == PROCESSED:
        raise UsageError(f"“{name}” is where the inbox keeps what was dealt with.", hint="Choose another name.")


def numbered(name: str, *, is_folder: bool) -> Iterator[str]:
    """A name, then `name (2)` and so on; the number stands before the suffix of a file."""
    yield name
    stem = name if is_folder else _stem(name)
    suffix = name[len(stem) :]
    yield from (f"{stem} ({number}){suffix}" for number in range(2, _NUMBERS))


def _stem(name: str) -> str:
    archive = next((suffix for suffix in ARCHIVE_SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(archive)] if archive else Path(name).stem


def _check(name: str, kind: str) -> None:
    checks = (
        (any(0xD800 <= ord(char) <= 0xDFFF for char in name), "is not valid text"),
        (not name.strip(), "is empty"),
        (name.startswith("."), "begins with a dot: it would be hidden"),
        ("/" in name or "\\" in name, "holds a slash or backslash"),
        (any(unicodedata.category(char) == "Cc" for char in name), "holds a control character"),
        (_DRIVE.match(name) is not None, "begins with a drive letter"),
        (len(name.encode("utf-8", "surrogatepass")) > LONGEST, f"is longer than {LONGEST} bytes"),
    )
    for wrong, fault in checks:
        if wrong:
            shown = printable(name[:80].encode("utf-8", "replace").decode())
            raise UsageError(f"The name of the {kind} “{shown}” {fault}.", hint="Rename it and try again.")
