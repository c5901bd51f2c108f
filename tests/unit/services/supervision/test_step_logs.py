"""A log within its limit: the beginning and the last part stay, and the offsets hold."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.supervision.step_logs import CappedLog, LogPart, log_length, read_end, read_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "output.log"


def written(path: Path, *data: bytes, limit: int = 20_000) -> None:
    """Write a whole log; with this limit the beginning is 1,000 bytes and a piece 9,500."""
    log = CappedLog(path, limit)
    for one in data:
        log.write(one)
    log.close()


def on_disk(path: Path) -> int:
    return sum(one.stat().st_size for one in path.parent.iterdir())


def everything(path: Path, size: int) -> tuple[str, int]:
    """A log read in parts, and the bytes that were left out."""
    text, offset, left_out = "", 0, 0
    while (part := read_log(path, offset, size)).text:
        text, offset, left_out = text + part.text, part.next_offset, left_out + part.left_out
    assert offset == log_length(path)
    return text, left_out


def test_a_log_within_its_limit_is_what_was_printed(path: Path) -> None:
    written(path, b"one\n", b"two\n", b"\xc3\xa9\xff\n")
    assert [one.name for one in path.parent.iterdir()] == ["output.log"]
    assert everything(path, 4) == ("one\ntwo\né�\n", 0)


def test_the_beginning_and_the_end_of_a_long_log_stay_and_it_says_what_is_missing(path: Path) -> None:
    lines = [f"line {number}\n".encode() for number in range(20_000)]
    written(path, *lines)
    assert on_disk(path) < 20_300
    text, left_out = everything(path, 777)
    assert text.startswith("line 0\nline 1\n")
    assert "the beginning ends here" in text
    assert "line 19999\n" in text
    assert f"--- {left_out:,} bytes of this log were left out ---" in text
    notes = len(text) - sum(len(line) for line in lines) + left_out
    assert notes == sum(len(f"\n{line}\n") for line in text.splitlines() if line.startswith("---"))


def test_one_endless_line_is_capped_too(path: Path) -> None:
    written(path, b"x" * 10_000_000)
    assert on_disk(path) < 20_300 and log_length(path) > 10_000_000


def test_an_offset_that_is_no_longer_there_leads_to_the_next_that_is(path: Path) -> None:
    written(path, b"0123456789" * 10_000)
    part = read_log(path, 5_000, 10)
    assert part.left_out == part.offset - 5_000 > 0
    assert len(part.text) == 10 and part.next_offset == part.offset + 10


def test_a_log_can_be_followed_while_it_grows(path: Path) -> None:
    log = CappedLog(path, 20_000)
    assert read_log(path) == LogPart("", 0, 0, 0)
    log.write(b"one \xc3")
    assert read_log(path) == LogPart("one ", 0, 4, 0)
    assert read_log(path, 4) == LogPart("", 4, 4, 0)  # the rest of the character is not yet there
    log.write(b"\xa9")
    assert read_log(path, 4) == LogPart("é", 4, 6, 0)
    log.close()


def test_the_end_is_read_alone(path: Path) -> None:
    written(path, b"a" * 50_000, b"the last words")
    assert read_end(path, 100).text.startswith("the last words") is False
    assert "the last words" in read_end(path, 100).text


def test_a_log_that_is_not_there_is_empty(path: Path) -> None:
    assert read_log(path, 7) == LogPart("", 7, 7, 0) and log_length(path) == 0


def test_what_cannot_be_written_is_left_out_and_the_writing_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = CappedLog(path, 20_000)
    log.write(b"before\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        log.write(b"lost\n")
    log.write(b"after\n")
    log.close()
    assert path.read_text() == "before\nafter\n\n--- 5 bytes of this log were left out ---\n"
