"""Audio JSON, raw and reduced: what is written, and every generation that is read."""

from __future__ import annotations

import json
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.audio import (
    SILENCE,
    FrameAudio,
    frames_of_turns,
    read_audio,
    write_raw_audio,
    write_reduced_audio,
)
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Turn

LABELS = st.lists(st.integers(0, 7), max_size=3, unique=True).map(
    lambda numbers: tuple(f"SPEAKER_{number:02d}" for number in sorted(numbers))
)
FRAME = st.one_of(
    st.just(SILENCE),
    st.just(FrameAudio(speech=True)),
    LABELS.filter(bool).map(lambda labels: FrameAudio(True, labels)),
)
FRAMES = st.lists(FRAME, max_size=60)
RATES = st.sampled_from([Fraction(25), Fraction(30000, 1001)])


def entry(number: int, speech: bool = False, **info: object) -> dict[str, Any]:
    """A frame as it stands in a file."""
    return {"frame": number, "audio_info": {"is_speech_present": speech, **info}}


def written(path: Path, data: object) -> Path:
    """A file with JSON in it."""
    path.write_text(json.dumps(data))
    return path


def test_the_raw_bytes_are_those_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "x_audio.json"
    frames = [SILENCE] * 4374
    write_raw_audio(path, "x.mp4", frames, FrameClock(Fraction(25), 4374))
    lines = path.read_bytes().split(b"\n")
    assert lines[0] == b'{"video_filename": "x.mp4", "total_frames": 4374, "fps": 25, "frames_analysis": ['
    assert lines[1] == (
        b'{"frame": 1, "audio_info": {"is_speech_present": false, "num_distinct_speakers_audio": 0, '
        b'"active_speaker_labels": [], "timecode_sec": 0.0}},'
    )
    assert len(lines) == 1 + 4374 + 2 and lines[-2:] == [b"]}", b""]
    assert json.loads(path.read_bytes())["frames_analysis"][-1]["audio_info"]["timecode_sec"] == 174.92


@given(FRAMES, RATES)
def test_raw_frames_read_back_are_those_that_were_written(frames: list[FrameAudio], fps: Fraction) -> None:
    clock = FrameClock(fps, len(frames))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x_audio.json"
        write_raw_audio(path, 'a "b"\né.mp4', frames, clock)
        found = read_audio(path)
        data = json.loads(path.read_text())
    assert list(found.frames) == frames
    assert found.fps is not None and abs(found.fps - fps) < Fraction(1, 100_000)
    assert data["video_filename"] == 'a "b"\né.mp4'
    assert [f["audio_info"]["num_distinct_speakers_audio"] for f in data["frames_analysis"]] == [
        len(frame.speakers) for frame in frames
    ]
    assert [f["audio_info"]["timecode_sec"] for f in data["frames_analysis"]] == [
        round(float(index / fps), 3) for index in range(len(frames))
    ]


@given(FRAMES, RATES)
def test_the_reduced_file_holds_the_same_frames_compactly(frames: list[FrameAudio], fps: Fraction) -> None:
    clock = FrameClock(fps, len(frames))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x_audio.json"
        write_reduced_audio(path, frames, clock)
        found = read_audio(path)
        text = path.read_text()
    assert list(found.frames) == frames
    assert not any(character.isspace() for character in text)
    data = json.loads(text)
    assert set(data) == {"frames_analysis", "fps", "total_frames", "speaker_stats"}
    counted = {label: sum(label in frame.speakers for frame in frames) for label in found.speakers}
    assert data["speaker_stats"] == {"unique_speakers": list(found.speakers), "speaker_frame_counts": counted}
    keys = {"is_speech_present", "active_speaker_labels", "timecode_sec"}
    assert all(set(frame["audio_info"]) == keys for frame in data["frames_analysis"])


@settings(max_examples=20)
@given(st.lists(FRAME, min_size=25, max_size=300))
def test_the_reduced_file_is_smaller_than_the_raw_one(frames: list[FrameAudio]) -> None:
    clock = FrameClock(Fraction(25), len(frames))
    with tempfile.TemporaryDirectory() as folder:
        raw, reduced = Path(folder) / "raw.json", Path(folder) / "reduced.json"
        write_raw_audio(raw, "x.mp4", frames, clock)
        write_reduced_audio(reduced, frames, clock)
        assert reduced.stat().st_size < raw.stat().st_size


def test_figures_of_an_analysis(tmp_path: Path) -> None:
    frames = [SILENCE, FrameAudio(True, ("SPEAKER_01",)), FrameAudio(True, ("SPEAKER_00", "SPEAKER_01")), SILENCE]
    write_raw_audio(tmp_path / "x.json", "x.mp4", frames, FrameClock(Fraction(25), 4))
    found = read_audio(tmp_path / "x.json")
    assert (found.speech_frames, found.speakers, found.first_speech) == (2, ("SPEAKER_00", "SPEAKER_01"), 1)
    write_raw_audio(tmp_path / "x.json", "x.mp4", [SILENCE], FrameClock(Fraction(25), 1))
    found = read_audio(tmp_path / "x.json")
    assert (found.speech_frames, found.speakers, found.first_speech) == (0, (), None)


def test_turns_lie_on_the_clock_and_overlap_as_several_labels() -> None:
    turns = [Turn(0.08, 0.2, "SPEAKER_01"), Turn(0.0, 0.12, "SPEAKER_00"), Turn(0.1, 0.13, "SPEAKER_00")]
    assert frames_of_turns(turns, FrameClock(Fraction(25), 6)) == (
        FrameAudio(True, ("SPEAKER_00",)),
        FrameAudio(True, ("SPEAKER_00",)),
        FrameAudio(True, ("SPEAKER_00", "SPEAKER_01")),
        FrameAudio(True, ("SPEAKER_01",)),
        FrameAudio(True, ("SPEAKER_01",)),
        SILENCE,
    )


@pytest.mark.parametrize("write", [write_reduced_audio, lambda p, f, c: write_raw_audio(p, "x.mp4", f, c)])
def test_another_number_of_frames_than_the_picture_has_is_not_written(tmp_path: Path, write: Any) -> None:
    with pytest.raises(ValueError, match="2 frames of sound for 3 frames of picture"):
        write(tmp_path / "x.json", [SILENCE] * 2, FrameClock(Fraction(25), 3))
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("key", ["frames", "frames_data", "frames_analysis"])
@pytest.mark.parametrize(
    ("head", "fps"),
    [({"fps": 25}, 25), ({"fps": 25.0}, 25), ({"fps": "25"}, 25), ({}, None), ({"fps": None}, None)],
)
def test_every_generation_of_old_files_is_read(
    tmp_path: Path, key: str, head: dict[str, object], fps: int | None
) -> None:
    frames = [entry(1), entry(2, True, active_speaker_labels=["SPEAKER_00"]), entry(3, True)]
    found = read_audio(written(tmp_path / "x_audio.json", {**head, key: frames}))
    assert found.fps == fps
    assert found.frames == (SILENCE, FrameAudio(True, ("SPEAKER_00",)), FrameAudio(True))


@pytest.mark.parametrize(("fps", "exact"), [(29.97002997002997, Fraction(30000, 1001)), ("30000/1001", None)])
def test_a_rate_that_is_no_whole_number_is_exact_again(tmp_path: Path, fps: object, exact: Fraction | None) -> None:
    found = read_audio(written(tmp_path / "x.json", {"fps": fps, "frames": [entry(1)]}))
    assert found.fps == (exact or Fraction(30000, 1001))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"ok": True}, "holds no list of frames"),
        ({"tracks": []}, "holds no list of frames"),
        ([], "holds no JSON object"),
        ({"frames": {}}, "holds no list of frames"),
        ({"frames": [1]}, "is not a frame"),
        ({"frames": [entry(2)]}, "not numbered 1, 2, 3, …: entry 1 says 2"),
        ({"frames": [entry(1), entry(1)]}, "entry 2 says 1"),
        ({"frames": [entry(1), entry(3)]}, "entry 2 says 3"),
        ({"frames": [{"audio_info": {"is_speech_present": True}}]}, "entry 1 says None"),
        ({"frames": [{"frame": 1}]}, "does not say whether there is speech"),
        ({"frames": [{"frame": 1, "audio_info": {"is_speech_present": "yes"}}]}, "does not say whether"),
        ({"frames": [entry(1, active_speaker_labels="A")]}, "no list of names"),
        ({"frames": [entry(1, active_speaker_labels=[1])]}, "no list of names"),
        ({"frames": [entry(1)], "total_frames": 2}, "says 2 frames and holds 1"),
        ({"frames": [entry(1)], "total_frames": float("nan")}, "is not a number of frames"),
        ({"frames": [entry(1)], "total_frames": float("inf")}, "is not a number of frames"),
        ({"frames": [entry(1)], "total_frames": True}, "is not a number of frames"),
        ({"frames": [entry(1)], "total_frames": -1}, "is not a number of frames"),
        ({"frames": [entry(1)], "fps": 0}, "not a positive number"),
        ({"frames": [entry(1)], "fps": "fast"}, "not a positive number"),
        ({"frames": [entry(1)], "fps": "1/0"}, "not a positive number"),
        ({"frames": [entry(1)], "fps": "1e999999999"}, "not a positive number"),
        ({"frames": [entry(1)], "fps": float("nan")}, "not a positive number"),
    ],
)
def test_what_is_no_audio_analysis_is_refused_with_file_and_reason(
    tmp_path: Path, data: object, reason: str
) -> None:
    with pytest.raises(ArtifactError) as error:
        read_audio(written(tmp_path / "L'été _audio.json", data))
    assert str(error.value).startswith("L'été _audio.json: ") and reason in str(error.value)
