"""`debug/compare_audio_json.py`: what it prints and draws of two files, and its exit status."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from debug.audio_comparison import AGREE, DIVERGE, UNUSABLE, compare_files, read_and_compare
from debug.audio_picture import rows_of
from workflow_scripts.common.artifacts.audio import SILENCE, FrameAudio, write_raw_audio, write_reduced_audio
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import ROOT

SCRIPT = ROOT / "debug" / "compare_audio_json.py"
FRAMES = 4374
A, B = FrameAudio(True, ("SPEAKER_00",)), FrameAudio(True, ("SPEAKER_01",))
#: FP32: 3762 frames of speech from frame 12 on, two people by turns; half precision: 262 from frame 4061 on.
EXACT = (*(SILENCE,) * 11, *(A,) * 2000, *(B,) * 1500, *(SILENCE,) * 549, *(A,) * 262, *(SILENCE,) * 52)
HALF = (*(SILENCE,) * 4060, *(A,) * 262, *(SILENCE,) * 52)


def raw(path: Path, frames: Sequence[FrameAudio], fps: Fraction = Fraction(25)) -> Path:
    """The raw file of STEP4."""
    write_raw_audio(path, "video.mp4", frames, FrameClock(fps, len(frames)))
    return path


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    return raw(tmp_path / "video_audio_cpu.json", EXACT)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    return raw(tmp_path / "video_audio.json", HALF)


def test_the_collapse_of_half_precision_diverges_and_its_figures_are_told(
    exact: Path, half: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_files([str(exact), str(half)]) == DIVERGE
    told = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for line in (
        "Compared: 4374 frames at 25 frames/s",
        "frames with speech 3762 (86.0%) 262 (6.0%)",
        "first speech frame 12 (0.44 s) frame 4061 (162.40 s)",
        "last speech frame 4322 (172.84 s) frame 4322 (172.84 s)",
        "speakers 2: SPEAKER_00, SPEAKER_01 1: SPEAKER_00",
        "same speech 20.0% of the frames",
        "diarization error 93.0% of A's speech",
        "speakers of B SPEAKER_00 is A's SPEAKER_00",
        "They differ in 3500 frames, in 1 place.",
        "00:00:00.440 - 00:02:20.440 frames 12-3511 speech missing",
        "Verdict: they DIVERGE.",
        "The first detection is 161.96 s off (limit 2 s).",
    ):
        assert line in told


def test_every_generation_of_one_analysis_agrees(
    exact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reduced, kept, old = tmp_path / "reduced.json", tmp_path / "audio.raw.json.gz", tmp_path / "old.json"
    write_reduced_audio(reduced, EXACT, FrameClock(Fraction(25), FRAMES))
    kept.write_bytes(gzip.compress(exact.read_bytes()))
    content = json.loads(exact.read_text())
    old.write_text(json.dumps({"frames": content["frames_analysis"]}))  # neither rate nor total
    for other in (reduced, kept, old):
        assert compare_files([str(exact), str(other)]) == AGREE
        told = capsys.readouterr().out
        assert "They differ nowhere." in told and "Verdict: they agree." in told
        assert "at 25 frames/s" in told


def test_json_holds_every_figure_and_interval(exact: Path, half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare_files(["--json", str(exact), str(half)]) == DIVERGE
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [str(exact), str(half)]
    assert (told["frames"], told["fps"], told["lengths"]) == (FRAMES, 25, [FRAMES, FRAMES])
    assert (told["speech_frames"], told["first_speech_frame"]) == ([3762, 262], [12, 4061])
    assert told["last_speech_frame"] == [4322, 4322]
    assert told["first_speech_s"] == [0.44, 162.4]
    assert told["error"] == pytest.approx(3500 / 3762)
    (one,) = told["different"]
    assert one == {
        "first_frame": 12,
        "last_frame": 3511,
        "start_s": 0.44,
        "end_s": 140.44,
        "kind": "speech missing",
    }
    assert told["agree"] is False and len(told["complaints"]) == 3


def test_json_has_no_infinity(tmp_path: Path, half: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = raw(tmp_path / "silent.json", (SILENCE,) * FRAMES)
    assert compare_files(["--json", str(silent), str(half)]) == DIVERGE
    told = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert (told["error"], told["first_shift_s"], told["first_speech_frame"]) == (None, None, [None, 4061])
    assert compare_files([str(silent), str(half)]) == DIVERGE
    assert "A has no speech" in capsys.readouterr().out


def test_the_longest_intervals_are_listed_in_order_of_time_or_all_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lengths = range(1, 31)
    first = raw(tmp_path / "a.json", [SILENCE] * sum(length + 1 for length in lengths))
    second = raw(tmp_path / "b.json", [frame for length in lengths for frame in (SILENCE, *(A,) * length)])

    def listed(*options: str) -> list[int]:
        compare_files([*options, str(first), str(second)])
        lines = [line.split() for line in capsys.readouterr().out.splitlines() if "speech added" in line]
        return [int(last) - int(start) + 1 for line in lines for start, last in (line[4].split("-"),)]

    assert listed() == list(range(11, 31))
    assert listed("--max", "2") == [29, 30]
    assert listed("--all") == list(lengths)
    assert listed("--max", "0") == []


def test_files_of_different_length_are_compared_as_far_as_both_go(
    tmp_path: Path, exact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = raw(tmp_path / "short.json", EXACT[:-10])
    assert compare_files([str(exact), str(short)]) == DIVERGE
    told = capsys.readouterr().out
    assert "Compared: 4364 frames" in told and "One has 4374 frames, the other 4364." in told


def test_what_cannot_be_used_is_told_in_one_sentence(
    tmp_path: Path, exact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    garbage, empty, scenes = tmp_path / "a.json", tmp_path / "empty.json", tmp_path / "scenes.json"
    garbage.write_bytes(b"\xff\x00{")
    empty.write_text('{"frames_analysis": []}')
    scenes.write_text('{"frames": [{"frame": 1}]}')
    for unusable in (tmp_path / "absent.json", tmp_path, garbage, empty, scenes):
        for files in ([exact, unusable], [unusable, exact]):
            assert compare_files([*map(str, files)]) == UNUSABLE
            printed = capsys.readouterr()
            assert printed.out == ""
            assert printed.err.startswith(f"{unusable.name}: ") and printed.err.count("\n") == 1


def test_files_of_different_rates_are_refused(tmp_path: Path, exact: Path) -> None:
    faster = raw(tmp_path / "faster.json", EXACT, Fraction(30))
    with pytest.raises(UsageError, match="One analysis has 25 frames/s, the other 30"):
        read_and_compare(exact, faster)
    assert compare_files([str(exact), str(faster)]) == UNUSABLE


def test_the_picture_shows_the_speakers_and_where_they_differ(tmp_path: Path, exact: Path, half: Path) -> None:
    target = tmp_path / "été $a_b$ 日.png"
    assert compare_files([str(exact), str(half), "--plot", str(target)]) == DIVERGE
    picture = imread(target)[..., :3]
    assert picture.shape[0] > 200 and picture.shape[1] > 1000

    def columns(colour: str) -> float:
        wanted = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        return float((np.abs(picture - wanted) < 0.01).all(axis=2).any(axis=0).sum())

    assert columns("#0072b2") / columns("#56b4e9") == pytest.approx(3762 / 262, rel=0.1)
    assert columns("#d55e00") / columns("#0072b2") == pytest.approx(3500 / 3762, rel=0.1)


def test_rows_of_the_picture_pair_speakers_that_are_the_same(exact: Path, half: Path) -> None:
    compared = read_and_compare(half, exact)
    rows = list(rows_of(compared.analyses, compared.agreement))
    assert [(row.owner, row.label) for row in rows] == [
        ("A", "SPEAKER_00"),
        ("B", "SPEAKER_00"),
        ("B", "SPEAKER_01 (only in B)"),
    ]
    assert rows[1].bars == ((0.44, 80.0), (162.4, 10.48))


def test_two_silent_files_can_be_drawn(tmp_path: Path) -> None:
    silent = raw(tmp_path / "silent.json", (SILENCE,) * 10)
    assert compare_files([str(silent), str(silent), "--plot", str(tmp_path / "a.png")]) == AGREE
    assert (tmp_path / "a.png").stat().st_size


def test_a_picture_that_cannot_be_written_is_told(
    tmp_path: Path, exact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare_files([str(exact), str(exact), "--plot", str(tmp_path / "absent" / "a.png")]) == UNUSABLE
    assert "a.png: the picture cannot be written (No such file or directory)." in capsys.readouterr().err


@pytest.mark.parametrize("python", [sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")])
def test_it_runs_from_any_folder_with_any_python(
    python: str | None, tmp_path: Path, exact: Path, half: Path
) -> None:
    if python is None:
        pytest.skip("there is no other Python")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(
        [python, SCRIPT, exact.name, half.name],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (DIVERGE, "")
    assert "Verdict: they DIVERGE." in ended.stdout


def test_a_wrong_option_ends_with_two(exact: Path) -> None:
    for options in (["--max", "-1"], ["--max", "many"], ["--unknown"]):
        ended = subprocess.run([sys.executable, SCRIPT, exact, exact, *options], capture_output=True, check=False)
        assert ended.returncode == UNUSABLE
