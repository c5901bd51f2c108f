"""One step per GPU on this machine, whoever starts it: the dashboard, a shell, another user.

A lock of the operating system on one file per GPU, in a folder that all share: it goes with the process that holds
it, and with those it forked, however they end. The file says who holds it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workflow_scripts.common.errors import PreconditionError

#: Names the folder of the locks, for containers that share a GPU: they must see the same one.
FOLDER_VARIABLE = "WORKFLOW_GPU_LOCKS"
#: Not the folder for temporary files that TMPDIR names: two runs must not differ in it.
_FOLDER = Path("/tmp/workflow-gpu")


@dataclass(frozen=True)
class Holder:
    """Who holds a GPU: its process, what it does there, since when (UTC)."""

    pid: int
    what: str
    since: datetime

    def __str__(self) -> str:
        return f"{self.what} of process {self.pid}, started {self.since.astimezone():%Y-%m-%d %H:%M}"


@contextmanager
def hold_gpu(
    name: str,
    what: str,
    *,
    wait: bool = True,
    on_wait: Callable[[str], None] | None = None,
    folder: Path | None = None,
) -> Iterator[None]:
    """Hold a GPU for the length of a block; those who wait get it in the order in which they came.

    Args:
        name: the GPU's UUID or number; all who use a GPU must call it the same.
        what: who asks, for those who will wait, for example `STEP3`.
        wait: whether to wait for a GPU that is held.
        on_wait: takes the sentence that says for whom it waits.
        folder: where the locks are, if not where everybody's are.

    Raises:
        PreconditionError: it is held and `wait` is false, or the lock's file cannot be opened.
    """
    path = _lock_file(name, folder)
    descriptor = _held(path)
    try:
        if descriptor is None:
            sentence = f"GPU {name} is in use by {_holder(path) or 'another process'}"
            if not wait:
                hint = "Wait until it has finished, or use the CPU."
                raise PreconditionError(f"{sentence}.", hint=hint, retry=True)
            if on_wait is not None:
                on_wait(f"{sentence}: waiting for it.")
            descriptor = _held(path, wait=True)
        assert descriptor is not None
        note = {"pid": os.getpid(), "what": what, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        _write(descriptor, json.dumps(note))
        yield
    finally:
        if descriptor is not None:
            _write(descriptor, "")
            os.close(descriptor)


def _lock_file(name: str, folder: Path | None) -> Path:
    folder = folder or Path(os.environ.get(FOLDER_VARIABLE) or _FOLDER)
    return folder / f"{re.sub('[^A-Za-z0-9-]', '_', name)}.lock"


def _held(path: Path, *, wait: bool = False) -> int | None:
    """The locked file, None where another process holds it and this one does not wait."""
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # somebody tidied the folder up meanwhile: the next ones lock another file


def _opened(path: Path) -> int:
    """Open a lock's file, which everybody may write to.

    In a folder that all users write to, Linux lets nobody "create" the existing file of another one: so in turn.
    """
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.parent.chmod(0o1777)
        with suppress(FileNotFoundError):
            return os.open(path, flags)
        with suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)
            return descriptor
        return os.open(path, flags)
    except OSError as error:
        text = f"{path}: the lock of the GPU cannot be opened ({error.strerror})."
        raise PreconditionError(text, hint="Make the file writable for all users, or remove it.") from error


def _write(descriptor: int, text: str) -> None:
    with suppress(OSError):  # a full disk: the lock holds, only who holds it is not known
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)


def holder_of(name: str, folder: Path | None = None) -> Holder | None:
    """Who holds a GPU, here or in another container; None where nobody does, or who did has ended."""
    path = _lock_file(name, folder)
    held = _holder(path)
    return held if held is not None and (_is_alive(held.pid) or _is_locked(path)) else None


def _is_locked(path: Path) -> bool:
    """Whether somebody has the lock itself: who was killed leaves a note; who is elsewhere has no process here."""
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _holder(path: Path) -> Holder | None:
    try:
        data = json.loads(path.read_bytes())
        return Holder(int(data["pid"]), str(data["what"]), datetime.fromisoformat(data["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
