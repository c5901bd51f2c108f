"""A reader sees the old file or the new one, whatever happens while it is written."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common import atomic
from workflow_scripts.common.atomic import atomic_writer, remove_leftovers, replace, temporary_path

OLD, NEW = b"the old content\n", b"the new content, which is longer\n"


def names(folder: Path) -> list[str]:
    """Everything in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with atomic_writer(path) as stream:
        stream.write("a\r\n")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"a\r\n"  # line ends as given
    with atomic_writer(path, "wb") as stream:
        stream.write(NEW)
    assert path.read_bytes() == NEW
    assert names(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("error", [ValueError("a"), KeyboardInterrupt(), SystemExit(1)])
def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x"
    path.write_bytes(OLD)
    with pytest.raises(type(error)), atomic_writer(path, "wb") as stream:
        stream.write(NEW)
        raise error
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["x"]


def no_space(*_arguments: Any, **_options: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def fail_at_fsync(number: int) -> Callable[[int], None]:
    """An `os.fsync` that fails the nth time it is called: first the file, then the folder."""
    calls = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == number:
            no_space()
        really(descriptor)

    return fsync


FAULTS: dict[str, tuple[object, str, Callable[[], Callable[..., Any]]]] = {
    "opening the temporary file": (Path, "open", lambda: no_space),
    "fsync of the file": (os, "fsync", lambda: fail_at_fsync(1)),
    "rename": (Path, "replace", lambda: no_space),
    "opening the folder": (os, "open", lambda: no_space),
    "fsync of the folder": (os, "fsync", lambda: fail_at_fsync(2)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_point_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    where, name, make = FAULTS[fault]
    path = tmp_path / "x"
    for _ in range(40):
        path.write_bytes(OLD)
        with monkeypatch.context() as patch:
            patch.setattr(where, name, make())
            with pytest.raises(OSError, match="No space left"), atomic_writer(path, "wb") as stream:
                stream.write(NEW)
        assert path.read_bytes() == (NEW if "folder" in fault else OLD)
        assert names(tmp_path) == ["x"]


def test_a_full_disk_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(OLD)
    code = (
        "import resource, sys; from pathlib import Path;"
        "from workflow_scripts.common.atomic import atomic_writer;"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));\n"
        "with atomic_writer(Path(sys.argv[1]), 'wb') as stream: stream.write(b'x' * 100_000)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "File too large" in ended.stderr
    assert path.read_bytes() == OLD
    assert names(tmp_path) == ["x"]


KILLED = """
import os, signal, sys
from pathlib import Path
from workflow_scripts.common.atomic import atomic_writer
with atomic_writer(Path(sys.argv[1]), "wb") as stream:
    stream.write(b"half of")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(OLD)
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -9
    assert path.read_bytes() == OLD
    assert len(names(tmp_path)) == 2
    removed = remove_leftovers(tmp_path)
    assert [place.parent for place in removed] == [tmp_path]
    assert names(tmp_path) == ["x"]


def test_what_a_living_process_is_writing_is_kept(tmp_path: Path) -> None:
    mine = temporary_path(tmp_path / "x")
    mine.write_bytes(b"half of")
    of_init = tmp_path / mine.name.replace(f"-{os.getpid()}-", "-1-")
    of_init.write_bytes(b"half of")
    assert remove_leftovers(tmp_path) == []
    assert mine.exists() and of_init.exists()


def test_what_another_host_or_nobody_of_ours_wrote_is_kept(tmp_path: Path) -> None:
    kept = [".tmp-otherhost-999999-abcd", ".tmp-x", ".tmp", "x.tmp", f".tmp-{socket.gethostname()}-word-abcd"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    assert remove_leftovers(tmp_path) == []
    assert names(tmp_path) == sorted(kept)


def test_a_folder_that_does_not_exist_has_no_leftovers(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "none") == []


@pytest.mark.parametrize(
    "name", ["n" * 255, "é" * 127 + "x", "a ", "-x", "[*]?", "line\nend", "'\"", "\u202egp4.x"]
)
def test_any_name_a_file_can_have_can_be_written(tmp_path: Path, name: str) -> None:
    with atomic_writer(tmp_path / name, "wb") as stream:
        stream.write(NEW)
    assert names(tmp_path) == [name]


def test_temporary_names_are_hidden_unlike_each_other_and_keep_the_suffix(tmp_path: Path) -> None:
    found = {temporary_path(tmp_path / "x.mp4", ".mp4") for _ in range(100)}
    assert len(found) == 100
    assert all(path.parent == tmp_path and path.name.startswith(".") and path.suffix == ".mp4" for path in found)


def test_replacing_makes_the_name_durable_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(NEW)
    synced: list[list[str]] = []
    monkeypatch.setattr(atomic, "sync_folder", lambda folder: synced.append(names(folder)))
    replace(source, target)
    assert synced == [["b"]]
