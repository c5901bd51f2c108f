"""Events read while they are written, whatever the file looks like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.supervision import step_events
from services.supervision.step_events import EventReader, StepEvent, StepProgress, parse_event, progress_of
from workflow_scripts.common.events import EventFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def kinds(reader: EventReader) -> list[str]:
    return [event.kind for event in reader.read()]


def test_what_a_step_writes_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = EventReader(path)
    assert reader.read() == []
    monkeypatch.setenv("WORKFLOW_EVENTS", str(path))
    EventFile("STEP3").emit("progress", video="a\udcff.mp4", done=3, total=None, unit="frames")
    (event,) = reader.read()
    assert (event.kind, event.data["step"]) == ("progress", "STEP3") and event.time.endswith("+00:00")
    assert progress_of(event) == StepProgress("a\udcff.mp4", 3, None, "frames")
    assert reader.read() == []


def test_a_half_line_is_left_until_it_is_whole(path: Path) -> None:
    reader = EventReader(path)
    add(path, b'{"event": "one"}\n{"eve')
    assert kinds(reader) == ["one"] and reader.offset == 17
    assert kinds(reader) == []
    add(path, b'nt": "two"}\n')
    assert kinds(reader) == ["two"]


def test_reading_goes_on_where_another_reader_stopped(path: Path) -> None:
    add(path, b'{"event": "one"}\n')
    first = EventReader(path)
    first.read()
    add(path, b'{"event": "two"}\n')
    assert kinds(EventReader(path, first.offset)) == ["two"]


def test_lines_that_are_no_events_are_counted_and_passed_over(path: Path) -> None:
    garbage = [b"prose", b"[1]", b'{"event": 3}', b"\xff\xfe", b'{"event": "x", "n": NaN}', b"[" * 100_000, b""]
    add(path, b"\n".join([*garbage, b'{"event": "good"}', b""]))
    reader = EventReader(path)
    assert kinds(reader) == ["good"] and reader.ignored == len(garbage) - 1


def test_a_file_that_was_cut_is_read_from_its_beginning(path: Path) -> None:
    add(path, b'{"event": "one"}\n{"event": "two"}\n')
    reader = EventReader(path)
    reader.read()
    path.write_bytes(b'{"event": "new"}\n')
    assert kinds(reader) == ["new"]


def test_one_look_reads_a_limited_part_and_no_event_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_events, "LONGEST", 100)
    add(path, b"".join(json.dumps({"event": str(number)}).encode() + b"\n" for number in range(50)))
    reader, looks = EventReader(path), 0
    found: list[str] = []
    while events := kinds(reader):
        found, looks = [*found, *events], looks + 1
        assert len(events) <= 6
    assert found == [str(number) for number in range(50)] and looks > 5 and not reader.more


def test_a_line_longer_than_any_event_is_passed_over(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_events, "LONGEST", 100)
    add(path, b'{"event": "one"}\n' + b"x" * 950 + b'\n{"event": "two"}\n')
    reader = EventReader(path)
    found: list[str] = []
    for _ in range(20):
        found += kinds(reader)
    assert found == ["one", "two"] and reader.ignored == 1


def test_a_progress_that_makes_no_sense_is_none() -> None:
    event = parse_event(b'{"event": "progress", "done": "many", "total": 3}')
    assert isinstance(event, StepEvent) and progress_of(event) is None
