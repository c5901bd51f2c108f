"""The inbox: what is taken, what waits, where it goes, and that a killed run is finished by the next."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.errors import BlockedError, RefusedError, VideoError
from workflow_scripts.step1 import inbox as inbox_module
from workflow_scripts.step1.extraction import ORIGIN, extract
from workflow_scripts.step1.inbox import growing, project_name, put_away, record_of, sources_in
from workflow_scripts.step1.partial import PREFIX, only_extraction

REPOSITORY = Path(__file__).parents[3]


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_archives_folders_and_videos_are_taken_and_hidden_files_ignored(work: Any, make: Any) -> None:
    for name in ("a.zip", "b.tar.gz", "c.MOV", "notes.txt", ".hidden.zip"):
        (work.inbox / name).write_bytes(b"text")
    make.zip(work.inbox / "no suffix", {"a.mp4": b""})
    for name in ("folder", "processed", ".git"):
        (work.inbox / name).mkdir()
    taken, foreign = sources_in(work.inbox)
    assert names(taken) == ["a.zip", "b.tar.gz", "c.MOV", "folder", "no suffix"]
    assert names(foreign) == ["notes.txt"]
    assert sources_in(work.inbox / "missing") == ([], [])


@pytest.mark.parametrize(
    ("source", "project"),
    [
        ("Show.zip", "Show"),
        ("Show.tar.gz", "Show"),
        ("Show v1.2", "Show v1.2"),
        ("Show .ZIP", "Show "),
        ("L’été – “fin”….7z", "L’été – “fin”…"),
        ("clip.MOV", "clip"),
        ("Show.backup.tgz", "Show.backup"),
        ("-i.zip", "-i"),
    ],
)
def test_a_project_is_named_after_its_source_byte_for_byte(source: str, project: str, work: Any) -> None:
    assert project_name(work.inbox / source) == project


@pytest.mark.parametrize("source", [".hidden.zip", ".zip", "a\n.zip", "x" * 252 + ".7z", "a\\b.zip", "\udcff.zip"])
def test_a_source_whose_name_no_project_can_have_is_refused(source: str, work: Any) -> None:
    with pytest.raises(RefusedError):
        project_name(work.inbox / source)


def test_a_source_that_grows_between_two_looks_waits(work: Any) -> None:
    still, grows = work.inbox / "still.mp4", work.inbox / "Show"
    still.write_bytes(b"video")
    grows.mkdir()
    (grows / "a.mp4").write_bytes(b"vid")
    timer = threading.Timer(0.3, lambda: (grows / "a.mp4").write_bytes(b"video"))
    timer.start()
    assert growing([still, grows]) == {grows}
    timer.join()


def test_what_has_not_changed_for_a_while_is_not_waited_for(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (work.inbox / "a.mp4").write_bytes(b"video")
    monkeypatch.setattr(inbox_module, "YOUNG", -1.0)
    start = time.monotonic()
    assert growing([work.inbox / "a.mp4"]) == set()
    assert time.monotonic() - start < inbox_module.PAUSE / 2


def test_a_source_that_changes_while_it_is_read_is_refused(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "x.zip", {"a.mp4": b"video"})
    stale = replace(record_of(source), mtime_ns=1)
    with pytest.raises(RefusedError, match="changed while it was read"):
        extract(source, stale, work.projects, make.limits, lambda *_: None)
    assert work.left() == []


def test_a_folder_that_changed_since_it_was_recorded_is_refused(work: Any, make: Any) -> None:
    source = work.inbox / "Show"
    source.mkdir()
    (source / "a.mp4").write_bytes(b"video")
    record = record_of(source)
    (source / "a.mp4").write_bytes(b"other")
    with pytest.raises(RefusedError, match="changed while it was read"):
        extract(source, record, work.projects, make.limits, lambda *_: None)
    assert work.left() == []


def test_a_folder_is_copied_and_the_original_stays(work: Any, make: Any) -> None:
    source = work.inbox / "Show.zip"
    (source / "day 1").mkdir(parents=True)
    (source / "day 1" / "a .mp4").write_bytes(b"video")
    (source / "notes.txt").write_bytes(b"text")
    (source / ".DS_Store").write_bytes(b"junk")
    made = work.extract(source)
    assert made.project.name == "Show.zip"
    assert make.tree(made.project) == {"docs/a .mp4": b"video", "docs/notes.txt": b"text"}
    assert (source / "day 1" / "a .mp4").exists()


def test_a_single_video_becomes_a_project_of_its_name(work: Any, make: Any) -> None:
    source = work.inbox / "Été .MOV"
    source.write_bytes(b"video")
    made = work.extract(source)
    assert made.project.name == "Été "
    assert make.tree(made.project) == {"docs/Été .MOV": b"video"}


def test_a_project_that_exists_is_never_touched(work: Any, make: Any) -> None:
    (work.projects / "SHOW" / "docs").mkdir(parents=True)
    (work.projects / "SHOW" / "docs" / "a.mp4").write_bytes(b"precious")
    made = work.extract(make.zip(work.inbox / "Show.zip", {"a.mp4": b"video"}))
    assert made.project.name == "Show (2)"
    assert (work.projects / "SHOW" / "docs" / "a.mp4").read_bytes() == b"precious"
    again = work.extract(make.zip(work.inbox / "Show.zip", {"a.mp4": b"another"}))
    assert again.project.name == "Show (3)"


def test_an_empty_folder_of_the_same_name_is_no_place_for_a_project(work: Any, make: Any) -> None:
    (work.projects / "Show").mkdir(parents=True)
    assert work.extract(make.zip(work.inbox / "Show.zip", {"a.mp4": b"video"})).project.name == "Show (2)"


def test_the_same_content_under_the_same_name_is_found_again_and_not_extracted_twice(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "Show.zip", {"a.mp4": b"video", "x/a.mp4": b"other"})
    (work.projects / "Show").mkdir(parents=True)
    first = work.extract(source)
    second = work.extract(source)
    assert second == replace(first, known=True) and first.project.name == "Show (2)"
    assert work.left() == ["Show", "Show (2)"]


def test_a_project_says_what_it_was_made_from(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "Show.zip", {"a.mp4": b"video", "x/a.mp4": b"other", ".DS_Store": b""})
    origin = json.loads((work.extract(source).project / ORIGIN).read_text())
    record = record_of(source)
    assert origin["name"] == "Show.zip" and origin["format"] == "zip"
    assert (origin["size"], origin["sha256"]) == (record.size, record.sha256)
    assert origin["files"] == {
        "docs/a.mp4": hashlib.sha256(b"video").hexdigest(),
        "docs/x - a.mp4": hashlib.sha256(b"other").hexdigest(),
    }
    assert origin["renamed"] == [["x/a.mp4", "x - a.mp4"]] and origin["dropped"] == [".DS_Store"]


def test_a_damaged_origin_counts_as_none(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "Show.zip", {"a.mp4": b"video"})
    (work.extract(source).project / ORIGIN).write_text('{"sha256": 5}')
    assert work.extract(source).project.name == "Show (2)"


def test_putting_away_keeps_what_is_there(work: Any) -> None:
    for content in (b"1", b"2", b"3"):
        source = work.inbox / "Show.tar.gz"
        source.write_bytes(content)
        put_away(source)
    put_away(work.inbox / "Show.tar.gz")
    processed = work.inbox / "processed"
    found = {path.name: path.read_bytes() for path in processed.iterdir()}
    assert found == {"Show.tar.gz": b"1", "Show (2).tar.gz": b"2", "Show (3).tar.gz": b"3"}


def test_a_source_that_cannot_be_put_away_is_told_and_stays(work: Any) -> None:
    source = work.inbox / "Show.zip"
    source.write_bytes(b"x")
    (work.inbox / "processed").write_bytes(b"a file where the folder should be")
    with pytest.raises(VideoError, match="cannot be moved"):
        put_away(source)
    assert source.exists()


def test_two_runs_do_not_extract_at_the_same_time(work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "x.zip", {"a.mp4": b"video"})
    with only_extraction(work.projects), pytest.raises(BlockedError, match="Another run"):
        work.extract(source)
    assert work.extract(source).videos == 1


def test_s5_what_killed_runs_left_is_cleared_and_nothing_else(work: Any, make: Any, tmp_path: Path) -> None:
    (work.projects / f"{PREFIX}dead" / "docs").mkdir(parents=True)
    (work.projects / f"{PREFIX}dead" / "docs" / "a.mp4").write_bytes(b"half")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "keep").write_bytes(b"precious")
    (work.projects / f"{PREFIX}link").symlink_to(tmp_path / "elsewhere")
    (work.projects / "partial").mkdir()
    work.extract(make.zip(work.inbox / "x.zip", {"a.mp4": b"video"}))
    assert work.left() == [f"{PREFIX}link", "partial", "x"]
    assert (tmp_path / "elsewhere" / "keep").exists()


@pytest.mark.parametrize("kind", ["zip", "tar", "7z", "folder"])
def test_a_disk_that_fills_up_is_a_sentence_and_leaves_nothing(
    kind: str, work: Any, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    data = {"a.mp4": b"video"}
    if kind == "folder":
        source = work.inbox / "x"
        source.mkdir()
        (source / "a.mp4").write_bytes(b"video")
    else:
        source = {"zip": make.zip, "tar": make.tar, "7z": make.seven_zip}[kind](work.inbox / f"x.{kind}", data)
    monkeypatch.setattr("workflow_scripts.step1.writer.os.fsync", full)
    with pytest.raises(VideoError, match=r"'a\.mp4' cannot be written after .*No space left"):
        work.extract(source)
    assert work.left() == [] and source.exists()


_SLOW_RUN = """
import sys, time
from pathlib import Path
from workflow_scripts.step1.extraction import extract
from workflow_scripts.step1.inbox import record_of
from workflow_scripts.step1.limits import Limits
source = Path(sys.argv[1])
def slowly(done, total, unit):
    print(done, flush=True)
    time.sleep(0.05)
extract(source, record_of(source), Path(sys.argv[2]), Limits(keep_free=0), slowly)
"""


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "7z", "folder"])
def test_kill_in_mid_extraction_leaves_a_partial_folder_and_the_next_run_finishes(
    kind: str, work: Any, make: Any
) -> None:
    files = {f"{n}.mp4": os.urandom(1_500_000) for n in range(4)}
    if kind == "folder":
        source = work.inbox / "x"
        source.mkdir()
        for name, data in files.items():
            (source / name).write_bytes(data)
    else:
        build = {"zip": make.zip, "7z": make.seven_zip}.get(kind)
        source = (
            build(work.inbox / f"x.{kind}", files) if build else make.tar(work.inbox / "x.tar.gz", files, "w:gz")
        )
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_RUN, str(source), str(work.projects)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
    )
    with process:
        assert process.stdout is not None
        while int(process.stdout.readline() or b"99999999") < 2_000_000:
            pass
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(work.left()) == 1 and work.left()[0].startswith(PREFIX) and source.exists()
    made = work.extract(source)
    assert make.tree(made.project) == {f"docs/{name}": data for name, data in files.items()}
    assert work.left() == ["x"]
