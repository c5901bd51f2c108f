"""What a step printed, kept within a limit: all of the beginning, the last part, and how much lies between.

A log is `output.log` with the beginning and, where that is full, the last pieces `output.log.<offset>`. An offset
counts bytes from the first one that was printed, those included that are no longer there. The process that records
a step's end writes it, with the standard library alone; everybody else reads it, while it grows too.
"""

from __future__ import annotations

import codecs
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

#: How large a log may be, and how much of that its beginning takes, in bytes.
LIMIT = 20_000_000
BEGINNING = 1_000_000
#: How much `read_log` returns at most, in bytes, where it is not told otherwise.
READ = 65_536


class CappedLog:
    """Writes a log; what cannot be written (a full disk) is left out, and the writing goes on."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        """Args:
        path: `output.log`; the pieces lie beside it.
        limit: bytes in all; a twentieth is the beginning, but not more than `BEGINNING`.
        """
        self._path = path
        self._piece = (limit - min(BEGINNING, limit // 20)) // 2
        self._pieces: list[Path] = []
        self._beginning = 0
        self._offset = 0
        self._lost = 0
        self._room = min(BEGINNING, limit // 20)
        self._descriptor: int | None = _create(path)

    def write(self, data: bytes) -> None:
        """Add what was printed."""
        while data:
            if not self._room:
                self._next_piece()
            part, data = data[: self._room], data[self._room :]
            self._put(part)

    def close(self) -> None:
        """Say what was left out, if anything, and end the log."""
        left_out = self._lost + (_start(self._pieces[0]) - self._beginning if self._pieces else 0)
        if left_out:
            self._put(f"\n--- {left_out:,} bytes of this log were left out ---\n".encode())
        self._end_piece()

    def _put(self, data: bytes) -> None:
        written = 0
        with suppress(OSError):
            written = os.write(self._descriptor, data) if self._descriptor is not None else 0
        self._lost += len(data) - written
        self._offset += written
        self._room = max(0, self._room - len(data))

    def _next_piece(self) -> None:
        if not self._pieces:
            note = f"\n--- the beginning ends here; the last part is in {self._path.name}.<offset> ---\n"
            self._put(note.encode())
            self._beginning = self._offset
        self._end_piece()
        self._room = self._piece
        path = self._path.with_name(f"{self._path.name}.{self._offset:015d}")
        with suppress(OSError):  # what belongs into this piece is left out then
            self._descriptor = _create(path)
            self._pieces.append(path)
            if len(self._pieces) > 2:
                self._pieces.pop(0).unlink(missing_ok=True)

    def _end_piece(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class LogPart(NamedTuple):
    """Part of a log: its text, where it begins, where the next begins, and the bytes left out before it."""

    text: str
    offset: int
    next_offset: int
    left_out: int


def read_log(path: Path, offset: int = 0, size: int = READ) -> LogPart:
    """The text at an offset of a log, or at the next one that is still there; empty at the end.

    A character that is not yet complete comes with the next part; bytes that are no UTF-8 become U+FFFD. The text
    is as the step printed it, control characters included.
    """
    files = _files(path)
    for piece, start, length in files:
        if offset < start + length:
            begin = max(offset, start)
            with piece.open("rb") as stream:
                stream.seek(begin - start)
                data = stream.read(min(size, start + length - begin))
            text, used = _decoded(data, more_may_come=piece == files[-1][0])
            return LogPart(text, begin, begin + used, begin - offset)
    return LogPart("", offset, offset, 0)


def _decoded(data: bytes, more_may_come: bool) -> tuple[str, int]:
    """The text of bytes and how many it took: not those of a character that is not yet complete."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data)
    rest = len(decoder.getstate()[0])
    if rest == len(data) and not more_may_come:  # its other half was left out, or is in the next file
        return decoder.decode(b"", final=True), len(data)
    return text, len(data) - rest


def read_end(path: Path, size: int = READ) -> LogPart:
    """The last part of a log."""
    return read_log(path, max(0, log_length(path) - size), size)


def log_length(path: Path) -> int:
    """Where a log ends: the offset of what is printed next."""
    return max((start + length for _, start, length in _files(path)), default=0)


def _files(path: Path) -> list[tuple[Path, int, int]]:
    """The files of a log with the offset of their first byte and their length, in order."""
    found = []
    for piece in [path, *sorted(path.parent.glob(f"{path.name}.[0-9]*"))]:
        try:
            found.append((piece, 0 if piece == path else _start(piece), piece.stat().st_size))
        except FileNotFoundError:  # dropped since it was listed
            continue
    return found


def _start(piece: Path) -> int:
    return int(piece.name.rpartition(".")[2])


def _create(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
