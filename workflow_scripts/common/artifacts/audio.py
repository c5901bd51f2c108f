"""Audio JSON, `<stem>_audio.json`: speech and speakers per frame, raw (STEP4) and reduced (STEP6)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import (
    check_number,
    compact,
    count_from_json,
    frames_list,
    load_json,
    rate_from_json,
    rate_in_json,
)
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Turn


@dataclass(frozen=True)
class FrameAudio:
    """What is heard during one frame; `speakers` are labels, several where speech overlaps."""

    speech: bool
    speakers: tuple[str, ...] = ()


SILENCE = FrameAudio(speech=False)


@dataclass(frozen=True)
class AudioAnalysis:
    """Speech and speakers of a video, one entry per frame; `fps` is None where an old file has none."""

    frames: tuple[FrameAudio, ...]
    fps: Fraction | None

    @property
    def speech_frames(self) -> int:
        """How many frames have speech."""
        return sum(frame.speech for frame in self.frames)

    @property
    def speakers(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted({label for frame in self.frames for label in frame.speakers}))

    @property
    def first_speech(self) -> int | None:
        """Index of the first frame with speech, None where there is none."""
        return next((index for index, frame in enumerate(self.frames) if frame.speech), None)


def frames_of_turns(turns: Sequence[Turn], clock: FrameClock) -> tuple[FrameAudio, ...]:
    """Turns laid on the frame clock: a frame has speech where at least one turn marks it."""
    labels: list[tuple[str, ...]] = [()] * clock.frames
    for turn in sorted(turns):
        for index in clock.frames_of(turn):
            if turn.speaker not in labels[index]:
                labels[index] = tuple(sorted((*labels[index], turn.speaker)))
    return tuple(FrameAudio(True, here) if here else SILENCE for here in labels)


def write_raw_audio(path: Path, video_name: str, frames: Sequence[FrameAudio], clock: FrameClock) -> None:
    """Write the raw file of STEP4, one frame per line, numbered from 1.

    Raises:
        ValueError: the number of frames is not the clock's.
    """
    _check_count(frames, clock)
    head = {"video_filename": video_name, "total_frames": clock.frames, "fps": rate_in_json(clock.fps)}
    with atomic_writer(path) as stream:
        stream.write(json.dumps(head, ensure_ascii=False)[:-1] + ', "frames_analysis": [\n')
        for index, frame in enumerate(frames):
            info = {
                "is_speech_present": frame.speech,
                "num_distinct_speakers_audio": len(frame.speakers),
                "active_speaker_labels": list(frame.speakers),
                "timecode_sec": clock.timecode_sec(index),
            }
            entry = json.dumps({"frame": index + 1, "audio_info": info}, ensure_ascii=False)
            stream.write(entry + (",\n" if index + 1 < clock.frames else "\n"))
        stream.write("]}\n")


def write_reduced_audio(path: Path, frames: Sequence[FrameAudio], clock: FrameClock) -> None:
    """Write the reduced file of STEP6: compact, with speaker statistics, smaller than the raw one.

    Raises:
        ValueError: the number of frames is not the clock's.
    """
    _check_count(frames, clock)
    spoken = Counter(label for frame in frames for label in frame.speakers)
    stats = {"unique_speakers": sorted(spoken), "speaker_frame_counts": dict(sorted(spoken.items()))}
    with atomic_writer(path) as stream:
        stream.write('{"frames_analysis":[')
        for index, frame in enumerate(frames):
            info = {
                "is_speech_present": frame.speech,
                "active_speaker_labels": list(frame.speakers),
                "timecode_sec": clock.timecode_sec(index),
            }
            stream.write(("," if index else "") + compact({"frame": index + 1, "audio_info": info}))
        tail = compact({"fps": rate_in_json(clock.fps), "total_frames": clock.frames, "speaker_stats": stats})
        stream.write("]," + tail[1:])


def _check_count(frames: Sequence[FrameAudio], clock: FrameClock) -> None:
    if len(frames) != clock.frames:
        raise ValueError(f"{len(frames)} frames of sound for {clock.frames} frames of picture")


def read_audio(path: Path) -> AudioAnalysis:
    """Read an audio JSON of any generation, raw or reduced, plain or gzipped.

    Raises:
        ArtifactError: no frames, frames not numbered 1, 2, 3, …, or a total that contradicts them.
    """
    data = load_json(path)
    entries = frames_list(path, data)
    frames = tuple(_frame(path, index, entry) for index, entry in enumerate(entries))
    total = count_from_json(path, data)
    if total is not None and total != len(frames):
        raise ArtifactError(path, f"says {total} frames and holds {len(frames)}.")
    return AudioAnalysis(frames, rate_from_json(path, data.get("fps")))


def _frame(path: Path, index: int, entry: dict[str, Any]) -> FrameAudio:
    check_number(path, entry, index)
    info = entry.get("audio_info")
    if not isinstance(info, dict) or not isinstance(info.get("is_speech_present"), bool):
        raise ArtifactError(path, f"frame {index + 1} does not say whether there is speech.")
    labels = info.get("active_speaker_labels") or []
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ArtifactError(path, f"the speaker labels of frame {index + 1} are no list of names.")
    return FrameAudio(info["is_speech_present"], tuple(labels))
