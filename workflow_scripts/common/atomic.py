"""Writing a file so that a reader sees the old one or the new one, never half of one."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

_PREFIX = ".tmp-"


def temporary_path(target: Path, suffix: str = "") -> Path:
    """A new name beside a target that tells which process of which host is writing it.

    The name is short whatever the target's, so that a 255-byte name can still be written.
    """
    host = socket.gethostname().split(".")[0][:20].replace("-", "_") or "host"
    return target.parent / f"{_PREFIX}{host}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


@contextmanager
def atomic_writer(path: Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """Open a file for writing that takes its name only when the block ends without an error.

    Temporary file in the same folder, fsync, rename, fsync of the folder. Text is UTF-8 and line ends are
    written as given. On any error the temporary file is removed and the old file stays.
    """
    temporary = temporary_path(path)
    encoding, newline = (None, None) if mode == "wb" else ("utf-8", "")
    try:
        with temporary.open(mode, encoding=encoding, newline=newline) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def replace(source: Path, target: Path) -> None:
    """Give a finished file its name, durably: rename, then fsync of the folder."""
    source.replace(target)
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove temporary files in a folder that dead processes of this host left; returns what was removed."""
    if not folder.is_dir():
        return []
    ours = temporary_path(folder / "x").name.split("-")[1]
    removed = []
    for path in sorted(folder.glob(f"{_PREFIX}{ours}-*-*")):
        pid = path.name.split("-")[2]
        if pid.isdigit() and not _alive(int(pid)) and path.is_file():
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
