"""Copying results: verified, never over what others put there, resumable."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from workflow_scripts.common.errors import RefusedError, VideoError
from workflow_scripts.common.manifest import file_sha256
from workflow_scripts.step7 import delivery
from workflow_scripts.step7.delivery import copy_verified, deliver

KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from workflow_scripts.step7 import delivery
shutil.copystat = lambda source, target: os.kill(os.getpid(), signal.SIGKILL)
source, target = Path(sys.argv[1]) / "x .mp4", Path(sys.argv[2]) / "x .mp4"
delivery.copy_verified(source, target, delivery.file_sha256(source))
"""


class Delivery:
    """Two files to deliver, and where to."""

    def __init__(self, folder: Path) -> None:
        self.source, self.target = folder / "docs", folder / "out" / "docs"
        self.source.mkdir()
        self.record = folder / "out" / ".workflow" / "x" / "delivered.json"
        self.files: Mapping[Path, Path] = {self.source / n: self.target / n for n in ("x .mp4", "x .csv")}
        for path in self.files:
            path.write_bytes(b"content of " + path.name.encode())

    def deliver(self) -> None:
        """Deliver both."""
        deliver(self.files, self.record)

    def there(self) -> dict[str, bytes]:
        """What lies where it is delivered to."""
        return {path.name: path.read_bytes() for path in self.target.iterdir()} if self.target.exists() else {}


@pytest.fixture
def work(tmp_path: Path) -> Delivery:
    """Two files that are not delivered yet."""
    return Delivery(tmp_path)


def test_files_are_copied_with_their_times_and_the_sources_stay(work: Delivery) -> None:
    os.utime(work.source / "x .csv", (1, 1))
    work.deliver()
    assert work.there() == {"x .mp4": b"content of x .mp4", "x .csv": b"content of x .csv"}
    assert (work.target / "x .csv").stat().st_mtime == 1
    assert all(path.exists() for path in work.files)


def test_what_is_there_already_is_not_copied_again(work: Delivery) -> None:
    work.deliver()
    inodes = {path: path.stat().st_ino for path in work.files.values()}
    (work.source / "x .csv").write_bytes(b"new")
    work.deliver()
    assert work.there()["x .csv"] == b"new"
    assert (work.target / "x .mp4").stat().st_ino == inodes[work.target / "x .mp4"]


def test_files_of_others_beside_are_left_alone(work: Delivery) -> None:
    work.target.mkdir(parents=True)
    (work.target / "montage.aep").write_bytes(b"an artist's project")
    work.deliver()
    assert work.there()["montage.aep"] == b"an artist's project"


@pytest.mark.parametrize("other", ["another file", "edited", "a folder", "a dangling link"])
def test_a_file_that_was_not_delivered_from_here_is_never_overwritten(work: Delivery, other: str) -> None:
    place = work.target / "x .csv"
    work.target.mkdir(parents=True)
    if other == "edited":
        work.deliver()
    if other == "a folder":
        place.mkdir()
    elif other == "a dangling link":
        place.symlink_to("/nowhere/at/all")
    else:
        place.write_bytes(b"of somebody else")
    (work.source / "x .mp4").write_bytes(b"new picture")
    with pytest.raises(RefusedError, match="was not delivered from here, or was edited since"):
        work.deliver()
    assert place.is_symlink() or place.is_dir() or place.read_bytes() == b"of somebody else"
    beside = work.target / "x .mp4"  # nothing is copied when not everything can be
    assert not beside.exists() or beside.read_bytes() != b"new picture"


def test_the_same_content_put_there_by_somebody_is_fine(work: Delivery) -> None:
    work.target.mkdir(parents=True)
    shutil.copyfile(work.source / "x .csv", work.target / "x .csv")
    work.deliver()
    assert len(work.there()) == 2


def test_a_delivery_that_was_interrupted_is_known_as_ours_when_it_is_resumed(
    work: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.deliver()
    for path in work.files:
        path.write_bytes(b"new " + path.name.encode())
    copied: list[Path] = []

    def one_then_killed(source: Path, place: Path, digest: str) -> None:
        if copied:
            raise KeyboardInterrupt
        copied.append(place)
        copy_verified(source, place, digest)

    with monkeypatch.context() as patch:
        patch.setattr(delivery, "copy_verified", one_then_killed)
        with pytest.raises(KeyboardInterrupt):
            work.deliver()
    for path in work.files:
        path.write_bytes(b"newer " + path.name.encode())
    work.deliver()
    assert work.there() == {"x .mp4": b"newer x .mp4", "x .csv": b"newer x .csv"}


def test_what_a_killed_delivery_left_is_removed_by_the_next(work: Delivery) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(work.source), str(work.target)], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(work.there()) == 1
    work.deliver()
    assert set(work.there()) == {"x .mp4", "x .csv"}


def test_the_record_lists_what_was_written_there(work: Delivery) -> None:
    work.deliver()
    first = file_sha256(work.source / "x .csv")
    (work.source / "x .csv").write_bytes(b"new")
    work.deliver()
    written = json.loads(work.record.read_text())["written"]
    assert written["x .csv"] == [first, file_sha256(work.source / "x .csv")]


def test_too_little_space_is_said_before_anything_is_written(
    work: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=10))
    with pytest.raises(VideoError, match="are to be delivered and 0 MB are free"):
        work.deliver()
    assert not work.target.exists()


def test_a_copy_that_does_not_read_back_the_same_is_refused(
    work: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(source: Path, target: Path) -> None:
        Path(target).write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr(shutil, "copyfile", damaged)
    with pytest.raises(VideoError, match="does not read back the same"):
        work.deliver()
    assert work.there() == {}


def test_a_disk_that_fills_up_leaves_no_half_file(work: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_source: Path, target: Any) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        work.deliver()
    assert work.there() == {}
