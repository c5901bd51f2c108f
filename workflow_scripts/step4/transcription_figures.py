"""The figures of a transcript: what people look at first, and the gates that judge it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_scripts.common.artifacts.transcripts import Transcript
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.subtitles import Cue, Layout, overlaps, too_fast
from workflow_scripts.step4.transcription_recognised import Recognised

LANGUAGE_LIMIT = 0.5
"""Below this probability a detected language is a guess (faster-whisper's own figure)."""
ENOUGH_SPEECH_SECONDS = 10.0
LEAST_COVERED = 0.1
"""Where so little of enough speech has words, the model did not hear it."""


def figures(found: Recognised, transcript: Transcript, cues: Sequence[Cue]) -> dict[str, Any]:
    """What people look at first; shares are 0..1."""
    words = transcript.words
    reasons = ", ".join(f"{reason} ({count})" for reason, count in sorted(found.dropped.items()))
    return {
        "words": len(words),
        "segments": len(transcript.segments),
        "subtitles": len(cues),
        "language": transcript.language,
        "language_probability": round(transcript.language_probability, 4),
        "mean_probability": _mean([word.probability for word in words]),
        "speech_seconds": None if found.speech_seconds is None else round(found.speech_seconds, 2),
        "speech_with_words": None if found.covered is None else round(found.covered, 4),
        "speakers": len({word.speaker for word in words} - {None}),
        "words_with_speaker": _mean([float(word.speaker is not None) for word in words]),
        "windows": found.windows,
        "dropped": sum(found.dropped.values()),
        "dropped_because": reasons,
    }


def gates(found: Recognised, transcript: Transcript, cues: Sequence[Cue], layout: Layout) -> tuple[Gate, ...]:
    """Nothing lies beyond the video, subtitles keep their rules, language and words are what they should be."""
    outside = sum(word.end > transcript.duration + 1e-6 for word in transcript.words)
    long = sum(len(line) > layout.line for cue in cues for line in cue.lines)
    judged = [
        Gate.equals("words beyond the end", outside, 0),
        Gate.equals("subtitles that overlap or whose lines are too long", overlaps(cues) + long, 0),
        Gate("subtitles too fast to read (share)", round(too_fast(cues, layout.speed) / max(1, len(cues)), 4)),
        Gate("mean probability of words", _mean([word.probability for word in transcript.words])),
    ]
    if transcript.segments:
        probability = round(transcript.language_probability, 4)
        judged.append(Gate.at_least("probability of the language", probability, LANGUAGE_LIMIT))
    if found.covered is not None:
        share = round(found.covered, 4)
        enough = (found.speech_seconds or 0) >= ENOUGH_SPEECH_SECONDS
        name = "share of heard speech with words"
        judged.append(Gate.at_least(name, share, LEAST_COVERED) if enough else Gate(name, share))
    return tuple(judged)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None
