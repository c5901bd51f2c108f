"""RTTM: the speaker turns that diarization tools exchange."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.rttm import read_rttm, write_rttm
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Turn

TURNS = st.lists(
    st.tuples(st.integers(0, 10**7), st.integers(1, 10**6), st.integers(0, 9)).map(
        lambda t: Turn(t[0] / 1000, (t[0] + t[1]) / 1000, f"SPEAKER_{t[2]:02d}")
    ),
    max_size=20,
)


def test_the_lines_are_those_of_the_format(tmp_path: Path) -> None:
    path = tmp_path / "x.rttm"
    write_rttm(path, "Débat  été .mp4", [Turn(1.5, 2.75, "SPEAKER_01"), Turn(0.0, 1.25, "SPEAKER_00")])
    assert path.read_text() == (
        "SPEAKER Débat__été_ 1 0.000 1.250 <NA> <NA> SPEAKER_00 <NA> <NA>\n"
        "SPEAKER Débat__été_ 1 1.500 1.250 <NA> <NA> SPEAKER_01 <NA> <NA>\n"
    )


@given(TURNS)
def test_turns_read_back_are_those_that_were_written(turns: list[Turn]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.rttm"
        write_rttm(path, "a b.mp4", turns)
        found = read_rttm(path)
    assert len(found) == len(turns)
    for turn, there in zip(sorted(turns), sorted(found), strict=True):
        assert abs(turn.start - there.start) < 1e-6 and abs(turn.end - there.end) < 1e-6


def test_a_turn_shorter_than_a_millisecond_can_be_read_back(tmp_path: Path) -> None:
    write_rttm(tmp_path / "x.rttm", "x.mp4", [Turn(1.0001, 1.0002, "SPEAKER_00")])
    assert [turn.speaker for turn in read_rttm(tmp_path / "x.rttm")] == ["SPEAKER_00"]


@pytest.mark.parametrize("name", ["a\nSPEAKER b 1 0 1.mp4", "\t.mp4", " "])
def test_a_name_cannot_add_fields_or_lines(tmp_path: Path, name: str) -> None:
    write_rttm(tmp_path / "x.rttm", name, [Turn(0, 1, "SPEAKER_00")])
    lines = (tmp_path / "x.rttm").read_text().splitlines()
    assert len(lines) == 1 and len(lines[0].split()) == 10


def test_other_kinds_of_lines_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "x.rttm"
    path.write_text(";; a comment\nSPKR-INFO x 1 <NA>\n\nSPEAKER x 1 0.5 1.0 <NA> <NA> A <NA> <NA>\n")
    assert read_rttm(path) == (Turn(0.5, 1.5, "A"),)


@pytest.mark.parametrize(
    "line",
    ["SPEAKER x 1 0.5", "SPEAKER x 1 a 1 <NA> <NA> A", "SPEAKER x 1 0 0 <NA> <NA> A", "SPEAKER x 1 nan 1 a a A"],
)
def test_a_damaged_turn_is_refused_with_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "é.rttm"
    path.write_text("SPEAKER x 1 0.5 1.0 <NA> <NA> A <NA> <NA>\n" + line + "\n")
    with pytest.raises(ArtifactError, match=r"é\.rttm: line 2 is no speaker turn"):
        read_rttm(path)
