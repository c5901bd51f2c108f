"""Members of an archive, and the rules their names must keep before a single byte is written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from workflow_scripts.common.errors import RefusedError

Kind = Literal["file", "folder", "link", "device", "other"]

#: The longest file name of the file systems in use (ext4, xfs, APFS), in bytes of UTF-8.
MAX_COMPONENT_BYTES = 255
#: The longest path inside an archive, in bytes; a system call takes 4,096 on Linux, 1,024 on macOS.
MAX_NAME_BYTES = 900

_DRIVE = re.compile(r"[A-Za-z]:")
_KINDS_IN_WORDS = {"link": "a link", "device": "a device or a pipe", "other": "neither a file nor a folder"}


@dataclass(frozen=True)
class Member:
    """One entry of an archive.

    `name` is the name as the archive stores it, decoded but neither cleaned nor normalised, `/` between
    components. `size` is the size in bytes that the archive declares, which nobody should trust.
    """

    name: str
    size: int
    kind: Kind

    @property
    def parts(self) -> tuple[str, ...]:
        """The components of the name; `.` and empty ones, which mean nothing, are left out."""
        return tuple(part for part in self.name.split("/") if part not in ("", "."))


def shown(name: str) -> str:
    """A name made fit for a message: what cannot be printed is escaped, what is very long is cut."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in name)
    return text if len(text) <= 160 else f"{text[:100]}…{text[-50:]}"


def folded(name: str) -> str:
    """What two names have in common when a file system that ignores case and composition takes them for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def name_fault(name: str) -> str | None:
    """What is wrong with a stored name, as the end of a sentence; None when it may be used as a path."""
    components = name.split("/")
    if any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        return "has a name that is not valid text"
    checks = (
        ("\0" in name, "has a NUL character in its name"),
        (any(unicodedata.category(c) == "Cc" for c in name), "has a control character in its name"),
        ("\\" in name, "has a backslash in its name"),
        (name.startswith("/"), "has an absolute path"),
        (_DRIVE.match(name) is not None, "begins with a drive letter"),
        (".." in components, "points outside the archive with '..'"),
        (max(_bytes(part) for part in components) > MAX_COMPONENT_BYTES, "has a name of over 255 bytes"),
        (_bytes(name) > MAX_NAME_BYTES, f"has a path of over {MAX_NAME_BYTES} bytes"),
    )
    return next((fault for wrong, fault in checks if wrong), None)


def check_members(source: str, members: Sequence[Member]) -> None:
    """Refuse an archive one of whose members cannot safely become a file or folder.

    Raises:
        RefusedError: a bad name, a link, a device, or two names that a file system may take for one.
    """
    for member in members:
        fault = name_fault(member.name)
        if fault is None and member.kind == "file" and not member.parts:
            fault = "has an empty name"
        if fault is None:
            fault = f"is {_KINDS_IN_WORDS[member.kind]}" if member.kind in _KINDS_IN_WORDS else None
        if fault is not None:
            raise RefusedError(
                f"{shown(source)}: the entry '{shown(member.name)}' {fault}.",
                hint="Nothing was extracted; pack the videos again as plain files.",
            )
    _check_collisions(source, members)


def _check_collisions(source: str, members: Iterable[Member]) -> None:
    seen: dict[str, tuple[str, bool]] = {}
    for member in members:
        parts = member.parts
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            is_file = member.kind == "file" and depth == len(parts)
            key = folded(path)
            if key not in seen:
                seen[key] = (path, is_file)
            elif is_file or seen[key] != (path, False):
                raise RefusedError(
                    f"{shown(source)}: the entries '{shown(seen[key][0])}' and '{shown(path)}' "
                    "would become one file.",
                    hint="Rename one of them and pack again; nothing was extracted.",
                )


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
