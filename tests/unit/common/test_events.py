"""Events for the controller, log lines and progress for people."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.events import EventFile, name_every_line, open_log, printable, utc_now
from workflow_scripts.common.progress import Progress

FORGED = "a\n2026-01-01 [ERROR] forged\r\x1b[31mred\x1b[0m\u2028\u202egp4\x85\x00.mp4"


def events(path: Path) -> list[dict[str, object]]:
    """What stands in an event file."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def test_each_event_is_one_line_of_json_with_kind_time_and_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("WORKFLOW_EVENTS", str(path))
    sink = EventFile("STEP3")
    sink.emit("started", total=2)
    sink.emit("video", video=FORGED + "\udcff", state="running")
    first, second = events(path)
    assert first["event"] == "started" and first["step"] == "STEP3" and first["total"] == 2
    assert str(first["time"]).endswith("+00:00") and len(str(first["time"])) == len(utc_now())
    assert second["video"] == FORGED + "\udcff"
    assert path.read_text().count("\n") == 2


def test_lines_of_several_writers_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("WORKFLOW_EVENTS", str(path))

    def write(number: int) -> None:
        for index in range(50):
            EventFile(f"STEP{number}").emit("progress", done=index, text="x" * 500)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = events(path)
    for number in range(4):
        assert [e["done"] for e in found if e["step"] == f"STEP{number}"] == list(range(50))


def test_without_a_file_to_write_to_events_go_nowhere(tmp_path: Path) -> None:
    EventFile("STEP3").emit("started")
    assert not list(tmp_path.iterdir())


@given(st.text(st.characters(exclude_categories=())))
def test_a_printable_text_has_no_line_end_control_or_direction_character(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or 0x202A <= ord(c) <= 0x202E for c in shown)
    shown.encode()
    assert printable(shown) == shown


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Zs", "M"))))
def test_an_ordinary_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_a_name_cannot_forge_a_log_line(data_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, path = open_log("3", "toy")
    log.info("PROCESSING_VIDEO: %s", FORGED)
    log.error("%s: failed", FORGED)
    log.debug("only in the file")
    shown = capsys.readouterr().out.splitlines()
    assert [line.partition("]")[0] for line in shown] == ["[INFO", "[ERROR"]
    written = path.read_text().splitlines()
    assert len(written) == 3 and "only in the file" in written[2]
    assert not any(c in path.read_text() + "".join(shown) for c in "\r\x1b\x00\x85\u2028\u202e")
    assert path.parent == data_folder / "logs" / "step3" and path.name.startswith("toy_")


def test_a_log_without_a_line_leaves_no_file() -> None:
    _, path = open_log("3", "toy")
    assert not path.exists()


def test_where_lines_of_others_come_between_each_says_which_video_it_is_about_once(
    data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path := data_folder / "logs" / "of the run.log").parent.mkdir(parents=True)
    path.write_text("of another process\n")
    log, written = open_log("3", "toy", path)
    name_every_line(log, "100% é.mp4")
    log.info("loading %s", "weights")
    log.info("Succès: %s créé", "100% é.csv")
    log.warning("100% é.mp4: loud.")
    lines = ["100% é.mp4: loading weights", "Succès: 100% é.csv créé", "100% é.mp4: loud."]
    assert [line.partition("] ")[2] for line in capsys.readouterr().out.splitlines()] == lines
    first, *added = path.read_text().splitlines()
    assert (written, first) == (path, "of another process")
    assert [line.partition("] ")[2] for line in added] == lines


class Watch:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_progress_is_reported_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch()
    monkeypatch.setattr(time, "monotonic", watch)
    monkeypatch.setenv("WORKFLOW_EVENTS", str(tmp_path / "events"))
    caplog.set_level(logging.INFO)
    with Progress("é.mp4", EventFile("STEP3"), logging.getLogger("progress of a test")) as report:
        for done in range(1, 201):
            report(done, 200, "frames")
            watch.now += 0.125  # 25 seconds in all
    found = events(tmp_path / "events")
    assert found[0] == {
        **found[0],
        "event": "progress",
        "video": "é.mp4",
        "done": 1,
        "total": 200,
        "unit": "frames",
    }
    assert [event["done"] for event in found] == [*range(1, 201, 4), 200]  # and the end of it in any case
    assert [record.getMessage() for record in caplog.records] == [
        "INTERNAL_PROGRESS: 81/200 frames (40%) - é.mp4",
        "INTERNAL_PROGRESS: 161/200 frames (80%) - é.mp4",
    ]


def test_progress_of_unknown_length_has_no_share(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch()
    monkeypatch.setattr(time, "monotonic", watch)
    caplog.set_level(logging.INFO)
    with Progress("x.mp4", EventFile("STEP3"), logging.getLogger("progress of a test")) as report:
        watch.now += 20
        report(7, None, "windows")
    assert [record.getMessage() for record in caplog.records] == ["INTERNAL_PROGRESS: 7/? windows - x.mp4"]


class Terminal(io.StringIO):
    """Standard error of somebody who looks on."""

    def isatty(self) -> bool:
        """It is a terminal."""
        return True


@pytest.mark.parametrize("bar", [True, False])
def test_a_terminal_gets_a_bar_unless_other_videos_would_have_one_too(
    bar: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, terminal = Watch(), Terminal()
    monkeypatch.setattr(time, "monotonic", watch)
    monkeypatch.setattr(sys, "stderr", terminal)
    caplog.set_level(logging.INFO)
    with Progress("x.mp4", EventFile("STEP3"), logging.getLogger("progress of a test"), bar=bar) as report:
        watch.now += 20
        report(7, 10, "frames")
    assert ("frames" in terminal.getvalue()) == bar
    assert ("INTERNAL_PROGRESS" in caplog.text) != bar


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_a_full_disk_takes_log_and_events_away_and_not_the_work(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKFLOW_EVENTS", "/dev/full")
    log, path = open_log("3", "toy")
    path.symlink_to("/dev/full")
    events = EventFile("STEP3")
    log.info("first")
    events.emit("started", total=1)
    events.emit("finished", states={})
    log.info("second")
    said = capsys.readouterr()
    assert said.err == "The log file cannot be written (No space left on device); going on without it.\n"
    assert said.out.splitlines() == [
        "[INFO] first",
        "[WARNING] /dev/full: events cannot be written (No space left on device).",
        "[INFO] second",
    ]
