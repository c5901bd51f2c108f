"""Scenes CSV: the bytes that the cutting script reads, and what older tools left."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.scenes import HEADER, read_scenes, write_scenes
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Shot

CUTS = st.lists(st.integers(1, 200_000), min_size=1, max_size=40, unique=True).map(sorted)
HEAD = b"No,Timecode In,Timecode Out,Frame In,Frame Out\r\n"


def shots(*edges: int) -> list[Shot]:
    """Contiguous shots between edges."""
    return [Shot(start, end) for start, end in pairwise((0, *edges))]


def test_the_bytes_are_those_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_scenes(path, shots(46, 117), FrameClock(Fraction(25), 117))
    assert path.read_bytes() == (
        HEAD + b"1,00:00:00.000,00:00:01.800,1,46\r\n" + b"2,00:00:01.840,00:00:04.640,47,117\r\n"
    )


@given(CUTS, st.sampled_from([Fraction(25), Fraction(30000, 1001)]))
def test_shots_read_back_are_those_that_were_written(edges: list[int], fps: Fraction) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        write_scenes(path, shots(*edges), FrameClock(fps, edges[-1]))
        assert list(read_scenes(path)) == shots(*edges)
        content = path.read_bytes()
    assert content.startswith(HEAD)  # no byte order mark
    assert content.count(b"\r\n") == content.count(b"\n") == len(edges) + 1
    assert b'"' not in content


@given(CUTS)
def test_the_columns_that_the_cutting_script_takes_by_position_are_inclusive_frames_from_1(
    edges: list[int],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.csv"
        write_scenes(path, shots(*edges), FrameClock(Fraction(25), edges[-1]))
        rows = [line.split(",") for line in path.read_text().splitlines()[1:]]
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert rows[0][3] == "1" and int(rows[-1][4]) == edges[-1]
    assert all(int(later[3]) == int(row[4]) + 1 for row, later in pairwise(rows))


@pytest.mark.parametrize(
    "broken", [[], [Shot(1, 50)], [Shot(0, 49)], [Shot(0, 20), Shot(21, 50)], [Shot(0, 20), Shot(19, 50)]]
)
def test_shots_that_do_not_cover_every_frame_once_are_not_written(tmp_path: Path, broken: list[Shot]) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(ValueError, match="without gap or overlap"):
        write_scenes(path, broken, FrameClock(Fraction(25), 50))
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_a_byte_order_mark_plain_line_ends_and_empty_lines_are_accepted(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "x.csv"
    lines = [",".join(HEADER), "1,00:00:00.000,00:00:00.400,1,11", "", "2,00:00:00.440,00:00:00.800,12,21", ""]
    path.write_text("﻿" + newline.join(lines), newline="")
    assert list(read_scenes(path)) == shots(11, 21)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("t;scene\r\n0.0;1\r\n", "its header is 't;scene'"),
        ("", "its header is 'nothing'"),
        (",".join(HEADER), "holds no shot"),
        (",".join(HEADER) + "\r\n1,a,b,1\r\n", "line 2 is no shot"),
        (",".join(HEADER) + "\r\n1,a,b,one,two\r\n", "line 2 is no shot"),
        (",".join(HEADER) + "\r\n1,a,b,20,10\r\n", "line 2 is no shot"),
        (",".join(HEADER) + "\r\n1,a,b,0,10\r\n", "line 2 is no shot"),
        (",".join(HEADER) + "\r\n1,a,b,2,10\r\n", "line 2 begins at frame 2, not at 1"),
        (",".join(HEADER) + "\r\n1,a,b,1,10\r\n2,a,b,12,20\r\n", "line 3 begins at frame 12, not at 11"),
        (",".join(HEADER) + "\r\n1,a,b,1,10\r\n2,a,b,10,20\r\n", "line 3 begins at frame 10, not at 11"),
        (",".join(HEADER) + "\r\n1," + "9" * 200_000, "field larger than"),
    ],
)
def test_what_is_no_scenes_file_is_refused_with_file_and_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "Débat .csv"
    path.write_text(text, newline="")
    with pytest.raises(ArtifactError) as error:
        read_scenes(path)
    assert str(error.value).startswith("Débat .csv: ") and reason in str(error.value)
