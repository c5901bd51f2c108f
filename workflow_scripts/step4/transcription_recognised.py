"""What comes of recognising a sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workflow_scripts.common.artifacts.transcripts import Transcript
from workflow_scripts.step4.transcription_parameters import Recognition


@dataclass(frozen=True)
class Recognised:
    """A transcript without speakers, and how it came about.

    Args:
        speech_seconds: how long speech is heard; None where nobody listened.
        covered: the share of that in which there are words.
        windows: how many windows were recognised.
        dropped: segments that were not believed, by reason.
    """

    transcript: Transcript
    speech_seconds: float | None
    covered: float | None
    windows: int
    dropped: Mapping[str, int]


def silent(duration: float, how: Recognition, model: str) -> Recognised:
    """The transcript of what has no sound."""
    transcript = Transcript(how.language or "", 1.0 if how.language else 0.0, how.task, model, duration)
    return Recognised(transcript, 0.0, None, 0, {})
