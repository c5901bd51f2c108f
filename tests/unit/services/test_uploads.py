"""Uploads: what comes in pieces is whole in the inbox or not there at all."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from services import uploads
from services.inbox import InboxWatch
from services.upload_names import ARCHIVE_SUFFIXES
from services.uploads import HIDDEN, NoRoom, UnknownUpload, Uploads, WrongOffset
from workflow_scripts.common.errors import UsageError
from workflow_scripts.step1 import archives
from workflow_scripts.step1.inbox import sources_in

DAY = 86_400.0


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """An inbox."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def store(inbox: Path) -> Uploads:
    """Its uploads."""
    return Uploads(10**9, 7 * DAY, inbox, free=lambda folder: 10**12)


def names(inbox: Path) -> list[str]:
    """What people see in the inbox."""
    return sorted(path.name for path in inbox.iterdir() if path.name != HIDDEN)


def test_a_file_appears_in_the_inbox_when_its_last_piece_has_come_and_not_before(
    store: Uploads, inbox: Path
) -> None:
    upload = store.begin("film.zip", 6, 1)
    assert store.write(upload.id, 0, b"abc").offset == 3
    assert names(inbox) == [] and sources_in(inbox) == ([], [])
    watch = InboxWatch(1.0, inbox)
    assert watch.settled() == []
    done = store.write(upload.id, 3, b"def")
    assert (done.whole, done.stored_as) == (True, "film.zip")
    assert (inbox / "film.zip").read_bytes() == b"abcdef"
    assert [path.name for path in sources_in(inbox)[0]] == ["film.zip"]
    assert store.unfinished() == []


def test_the_same_file_goes_on_where_it_stopped_also_for_another_process(store: Uploads, inbox: Path) -> None:
    upload = store.begin("film.zip", 6, 1)
    store.write(upload.id, 0, b"abcd")
    again = Uploads(10**9, 7 * DAY, inbox).begin("film.zip", 6, 1)
    assert (again.id, again.offset) == (upload.id, 4)
    assert store.begin("film.zip", 6, 2).offset == 0  # changed since: another file


def test_nothing_in_the_inbox_is_ever_overwritten(store: Uploads, inbox: Path) -> None:
    (inbox / "a.tar.gz").write_bytes(b"old")
    (inbox / "a (2).tar.gz").symlink_to("nowhere")
    upload = store.begin("a.tar.gz", 3, 1)
    assert store.write(upload.id, 0, b"new").stored_as == "a (3).tar.gz"
    assert (inbox / "a.tar.gz").read_bytes() == b"old"
    assert (inbox / "a (3).tar.gz").read_bytes() == b"new"


def test_a_piece_at_the_wrong_place_is_refused_with_the_right_one(store: Uploads) -> None:
    upload = store.begin("film.mp4", 6, 1)
    store.write(upload.id, 0, b"abc")
    for offset in (0, 2, 4):  # another tab was quicker, or something got lost
        with pytest.raises(WrongOffset) as told:
            store.write(upload.id, offset, b"x")
        assert told.value.offset == 3
    with pytest.raises(UsageError, match="more came"):
        store.write(upload.id, 3, b"four")
    assert store.show(upload.id).offset == 3


def test_who_did_not_hear_that_it_was_finished_is_told_and_the_file_is_there_once(
    store: Uploads, inbox: Path
) -> None:
    upload = store.begin("film.mp4", 3, 1)
    store.write(upload.id, 0, b"abc")
    assert store.show(upload.id).stored_as == "film.mp4"
    with pytest.raises(WrongOffset) as told:
        store.write(upload.id, 0, b"abc")
    assert told.value.offset == 3
    assert names(inbox) == ["film.mp4"]


def test_a_finished_file_may_be_sent_again_on_purpose(store: Uploads, inbox: Path) -> None:
    for _ in range(2):
        upload = store.begin("film.mp4", 3, 1)
        assert upload.offset == 0
        store.write(upload.id, 0, b"abc")
    assert names(inbox) == ["film (2).mp4", "film.mp4"]


def test_videos_for_one_project_appear_together(store: Uploads, inbox: Path) -> None:
    one, two = (store.begin(name, 3, 1, "Été 2024") for name in ("one.mp4", "two.mov"))
    assert store.write(one.id, 0, b"abc").stored_as == ""
    assert names(inbox) == []
    assert store.write(two.id, 0, b"def").stored_as == "Été 2024/two.mov"
    assert store.show(one.id).stored_as == "Été 2024/one.mp4"
    assert (inbox / "Été 2024" / "one.mp4").read_bytes() == b"abc"
    assert sorted(path.name for path in (inbox / "Été 2024").iterdir()) == ["one.mp4", "two.mov"]


def test_who_waits_for_a_cancelled_video_waits_no_longer(store: Uploads, inbox: Path) -> None:
    (inbox / "P").mkdir()
    one, two = (store.begin(name, 3, 1, "P") for name in ("one.mp4", "two.mov"))
    store.write(one.id, 0, b"abc")
    store.cancel(two.id)
    assert store.show(one.id).stored_as == "P (2)/one.mp4"
    assert list((inbox / "P").iterdir()) == []


def test_a_project_whose_folder_was_interrupted_on_its_way_is_finished_later(store: Uploads, inbox: Path) -> None:
    one, two = (store.begin(name, 3, 1, "P") for name in ("one.mp4", "two.mov"))
    store.write(one.id, 0, b"abc")
    hidden = inbox / HIDDEN
    moved = next(hidden.glob(f"{one.id}.part"))
    folder = store._set("P")
    folder.mkdir()
    moved.rename(folder / "one.mp4")  # as a machine that stopped in between leaves it
    assert store.show(one.id).whole
    store.write(two.id, 0, b"def")
    assert sorted(path.name for path in (inbox / "P").iterdir()) == ["one.mp4", "two.mov"]


def test_two_videos_of_one_name_in_one_project_are_refused(store: Uploads) -> None:
    store.begin("one.mp4", 3, 1, "P")
    with pytest.raises(UsageError, match="another video of the name"):
        store.begin("one.mp4", 4, 1, "P")


def test_what_is_cancelled_is_gone(store: Uploads, inbox: Path) -> None:
    upload = store.begin("film.zip", 6, 1)
    store.write(upload.id, 0, b"abc")
    store.cancel(upload.id)
    assert [path.name for path in (inbox / HIDDEN).iterdir()] == ["lock"]
    with pytest.raises(UnknownUpload):
        store.write(upload.id, 3, b"def")
    for nonsense in ("", "..", "../../etc/passwd", "0" * 32):
        with pytest.raises(UnknownUpload):
            store.show(nonsense)


def test_the_disk_must_take_it_besides_what_was_promised(inbox: Path) -> None:
    free = uploads.RESERVE + 1000
    store = Uploads(10**9, DAY, inbox, free=lambda folder: free)
    first = store.begin("one.zip", 600, 1)
    with pytest.raises(NoRoom, match="promised to other uploads"):
        store.begin("two.zip", 600, 1)
    store.write(first.id, 0, b"x" * 600)
    assert store.begin("two.zip", 600, 1).offset == 0
    assert store.begin("two.zip", 600, 1).offset == 0  # promised once


def test_a_full_disk_keeps_what_has_come(store: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = store.begin("film.zip", 6, 1)
    store.write(upload.id, 0, b"abc")
    real = os.pwrite

    def full(descriptor: int, data: bytes, offset: int) -> int:
        if offset > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data[:1], offset)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(NoRoom, match="disk is full"):
        store.write(upload.id, 3, b"def")
    monkeypatch.undo()
    assert store.show(upload.id).offset == 3
    assert store.write(upload.id, 3, b"def").stored_as == "film.zip"


def test_where_files_cannot_have_two_names_they_are_moved(
    store: Uploads, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    upload = store.begin("film.zip", 3, 1)
    assert store.write(upload.id, 0, b"abc").stored_as == "film.zip"
    assert (inbox / "film.zip").read_bytes() == b"abc"
    assert store.show(upload.id).stored_as == "film.zip"


def test_an_interruption_between_appearing_and_being_noted_makes_no_second_file(
    store: Uploads, inbox: Path
) -> None:
    upload = store.begin("film.zip", 3, 1)
    part = inbox / HIDDEN / f"{upload.id}.part"
    part.write_bytes(b"abc")
    os.link(part, inbox / "film.zip")  # as a machine that stopped in between leaves it
    assert store.begin("film.zip", 3, 1).stored_as == "film.zip"
    assert names(inbox) == ["film.zip"]


def test_what_nobody_goes_on_with_is_cleared_away_after_days(store: Uploads, inbox: Path) -> None:
    old, alone, whole, young = (
        store.begin("old.zip", 6, 1),
        store.begin("alone.mp4", 3, 1, "Left"),
        store.begin("whole.mp4", 3, 1, "Set"),
        store.begin("young.mp4", 3, 1, "Set"),
    )
    store.write(whole.id, 0, b"abc")
    past = time.time() - 8 * DAY
    for one in (old, alone, whole):
        for path in (inbox / HIDDEN).glob(f"{one.id}.*"):
            os.utime(path, (past, past))
    store.begin("another.zip", 6, 1)
    left = [one.name for one in store.unfinished()]
    assert left == ["another.zip", "whole.mp4", "young.mp4"]  # whole waits for young, which is at work
    store.write(young.id, 0, b"def")
    assert names(inbox) == ["Set"]


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", "../a.zip", "a/b.zip", "a\\b.zip", ".hidden.zip", "a\0.zip", "a\n.zip", "\ud800.zip"),
        *("C:a.zip", ".zip", ".tar.gz", "x" * 246 + ".zip", "notes.txt", "a.rar", "zip"),
    ],
)
def test_a_name_that_step1_would_not_take_is_refused_with_a_sentence(store: Uploads, name: str) -> None:
    with pytest.raises(UsageError) as told:
        store.begin(name, 3, 1)
    str(told.value).encode()
    assert store.unfinished() == []


@pytest.mark.parametrize(
    "name",
    ["été  .mp4", "quotes \" ' <b>.mov", "100%25 ~41.ZIP", "-dash.and..dots.mkv", "映画.7z", "x" * 245 + ".zip"],
)
def test_any_other_name_is_kept_as_it_is(store: Uploads, inbox: Path, name: str) -> None:
    upload = store.begin(name, 3, 1)
    assert store.write(upload.id, 0, b"abc").stored_as == name
    assert [path.name for path in sources_in(inbox)[0]] == [name]


@pytest.mark.parametrize("project", ["..", "a/b", ".hidden", "processed", " ", "x" * 300])
def test_a_project_that_no_folder_can_be_called_is_refused(store: Uploads, project: str) -> None:
    with pytest.raises(UsageError):
        store.begin("a.mp4", 3, 1, project)


def test_only_videos_go_into_a_project(store: Uploads) -> None:
    with pytest.raises(UsageError, match="no video"):
        store.begin("a.zip", 3, 1, "P")


@pytest.mark.parametrize("size", [0, -1, 10**9 + 1])
def test_a_file_of_no_size_or_too_much_is_refused(store: Uploads, size: int) -> None:
    with pytest.raises(UsageError):
        store.begin("a.zip", size, 1)


def test_the_suffixes_are_those_of_step1() -> None:
    assert ARCHIVE_SUFFIXES == archives.ARCHIVE_SUFFIXES
