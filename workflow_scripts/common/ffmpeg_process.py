"""Running one ffmpeg command that `ffmpeg.py` built: its output, its progress, its last words, its certain end."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from workflow_scripts.common.child_command import dying_with_parent
from workflow_scripts.common.errors import CancelledError, ToolError

STALL_S = 600.0
_PIPE_BYTES = 1 << 20
# Lines that say that something went wrong but not what.
_EMPTY_WORDS = re.compile(
    r"Conversion failed|Error opening (in|out)put files?\b|Error (un)?initializing|Error binding filtergraph|"
    r"Terminating thread|Task finished|Error while (opening|filtering|processing)|Failed to configure|"
    r"Error marking filters|Nothing was written|Error sending|To ignore this|Error writing trailer|"
    r"Error submitting|Error closing|Could not write header|Error muxing|Error (en|de)coding a frame"
)


@dataclass(frozen=True)
class Progress:
    """How far a running command is: pictures and bytes written so far."""

    frames: int
    size: int


class Process:
    """A running command; a context manager that leaves nothing alive, whatever ends its block.

    On Linux the child also dies with the *thread* that started it, so start and read it in one thread.
    """

    def __init__(
        self, arguments: Sequence[str], subject: str, *, stall_s: float, cancel: threading.Event | None
    ) -> None:
        self._child = subprocess.Popen(
            dying_with_parent(arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pipesize=_PIPE_BYTES if sys.platform == "linux" else -1,
        )
        self._subject = subject
        self._stall_s = stall_s
        self._cancel = cancel
        self._said: deque[bytes] = deque(maxlen=64)
        self.moved = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child.poll() is None:
            self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe:
                pipe.close()

    def output(self) -> Iterator[bytes]:
        """Yield standard output piece by piece until it ends, draining standard error meanwhile."""
        assert self._child.stdout and self._child.stderr
        with selectors.DefaultSelector() as ready:
            ready.register(self._child.stdout, selectors.EVENT_READ)
            ready.register(self._child.stderr, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select(timeout=0.5):
                    piece = os.read(key.fd, _PIPE_BYTES)
                    if not piece:
                        ready.unregister(key.fileobj)
                    elif key.fileobj is self._child.stderr:
                        self._said.append(piece[-4096:])
                    else:
                        yield piece
                self._check()

    def _check(self) -> None:
        if self._cancel and self._cancel.is_set():
            raise CancelledError(f"{self._subject}: stopped, the work was cancelled.")
        if time.monotonic() - self.moved > self._stall_s:
            raise ToolError(
                f"{self._subject}: ffmpeg made no progress for {self._stall_s:.0f} s and was ended.",
                retry=True,
            )

    def finish(self) -> None:
        """Wait for the end; raise ToolError with ffmpeg's last words when it failed."""
        code = self._child.wait()
        if code:
            raise ToolError(f"{self._subject}: {reason(code, b''.join(self._said).decode('utf-8', 'replace'))}.")


def reason(code: int, said: str) -> str:
    """Return why ffmpeg ended with `code`, from what it wrote to standard error, without memory addresses."""
    if "No space left on device" in said:
        return "there is no space left on the disk for the result"
    lines = [re.sub(r"\[[^\]]* @ 0x[0-9a-f]+\]\s*", "", line).strip() for line in said.splitlines()]
    telling = [line for line in lines if line and not _EMPTY_WORDS.match(line)] or [line for line in lines if line]
    last = telling[-1].rstrip(".") if telling else ""
    if code < 0:
        return f"ffmpeg was ended by signal {-code}{f' ({last})' if last else ''}"
    return f"ffmpeg failed ({last or f'exit code {code}, no reason given'})"


def run(
    arguments: Sequence[str],
    subject: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    stall_s: float = STALL_S,
    cancel: threading.Event | None = None,
) -> None:
    """Run a command of `ffmpeg.command` to its end; nothing of it is left alive whatever happens.

    `subject` names the file in messages; `progress` is called about twice a second. Raises ToolError when ffmpeg
    fails or when neither pictures nor bytes come for `stall_s` seconds, CancelledError when `cancel` is set.
    """
    with Process(arguments, subject, stall_s=stall_s, cancel=cancel) as process:
        text, state = b"", Progress(0, 0)
        for piece in process.output():
            *lines, text = (text + piece).split(b"\n")
            seen = _advance(state, lines)
            if seen != state:
                state, process.moved = seen, time.monotonic()
                if progress:
                    progress(state)
        process.finish()


def _advance(state: Progress, lines: Sequence[bytes]) -> Progress:
    frames, size = state.frames, state.size
    for line in lines:
        key, _, value = line.partition(b"=")
        with suppress(ValueError):  # ffmpeg writes N/A before the first frame
            if key == b"frame":
                frames = int(value)
            elif key == b"total_size":
                size = int(value)
    return Progress(frames, size)


def stream(
    arguments: Sequence[str], subject: str, *, stall_s: float = STALL_S, cancel: threading.Event | None = None
) -> Iterator[bytes]:
    """Yield what a command writes to its standard output, piece by piece; closing the iterator ends ffmpeg.

    The time that the reader takes between pieces does not count as a stall. Raises as `run`.
    """
    with Process(arguments, subject, stall_s=stall_s, cancel=cancel) as process:
        for piece in process.output():
            yield piece
            process.moved = time.monotonic()
        process.finish()
