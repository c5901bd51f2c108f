"""File names as keys: text that is safe in a URL and stands for a name byte for byte, whatever the name holds."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from workflow_scripts.common.events import printable

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
_ESCAPE = re.compile(rb"~([0-9A-Fa-f]{2})")
#: The longest name a file system takes, in bytes.
_LONGEST = 255


@dataclass(frozen=True)
class Named:
    """A name as it is shown (nothing in it steers a terminal or turns text around), and what it is addressed by."""

    key: str
    name: str

    @classmethod
    def of(cls, name: str) -> Named:
        """Both for the name of a file or folder."""
        return cls(key_of(name), printable(name))


def key_of(name: str) -> str:
    """The key of a name: letters, digits, `-`, `_` and `.` as they are, every other byte as `~` and two digits."""
    return "".join(chr(byte) if byte in _PLAIN else f"~{byte:02X}" for byte in os.fsencode(name))


def name_of(key: str) -> str | None:
    """The name a key stands for; what is no escape stands for itself, so a plain name works as its own key.

    None where it can be no name of one file: empty, `.`, `..`, too long, with a slash or a NUL.
    """
    try:
        data = key.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None
    data = _ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), data)
    if not 0 < len(data) <= _LONGEST or data in (b".", b"..") or b"/" in data or b"\0" in data:
        return None
    return os.fsdecode(data)
