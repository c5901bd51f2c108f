"""The figures of a video: what people look at first, and the gates that judge it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow_scripts.common.artifacts.audio import FrameAudio
from workflow_scripts.common.manifest import Gate
from workflow_scripts.step4.comparison import FIRST_SHIFT_LIMIT, SPEECH_DIFFERENCE_LIMIT
from workflow_scripts.step4.engine import Diarization
from workflow_scripts.step4.trust import Judged


def figures(frames: Sequence[FrameAudio], found: Diarization) -> dict[str, Any]:
    """What people look at first; `first_speech_frame` is numbered from 1, None without speech."""
    speech = sum(frame.speech for frame in frames)
    return {
        "frames": len(frames),
        "speech_frames": speech,
        "speech_share": round(speech / len(frames), 4) if frames else 0.0,
        "speakers": len({label for frame in frames for label in frame.speakers}),
        "turns": len(found.turns),
        "first_speech_frame": first_speech_frame(frames),
    }


def first_speech_frame(frames: Sequence[FrameAudio]) -> int | None:
    """Number, from 1, of the first frame with speech."""
    return next((number for number, frame in enumerate(frames, 1) if frame.speech), None)


def quality_gates(frames: Sequence[FrameAudio], expected: int) -> tuple[Gate, ...]:
    """Every frame is there; labels and speech say the same; where speech begins."""
    contradictions = sum(frame.speech != bool(frame.speakers) for frame in frames)
    return (
        Gate.equals("frames present / frames decoded", len(frames) / expected if expected else 1.0, 1),
        Gate.equals("frames whose labels contradict speech", contradictions, 0),
        Gate("first speech frame", first_speech_frame(frames)),
    )


def trust_gates(judged: Judged, share: float) -> tuple[Gate, ...]:
    """How far the independent detector and FP32 on the CPU say the same."""
    gates = []
    if judged.independent is not None:
        gates.append(Gate("speech against an independent detector (points)", _points(share - judged.independent)))
    if judged.verdict is not None:
        agreement = judged.verdict.agreement
        gates += [
            Gate.at_most("first detection against FP32 on the CPU (s)", agreement.first_shift, FIRST_SHIFT_LIMIT),
            Gate.at_most(
                "speech against FP32 on the CPU (points)", agreement.speech_difference, SPEECH_DIFFERENCE_LIMIT
            ),
        ]
    return tuple(gates)


def _points(share: float) -> float:
    return round(100 * abs(share), 2)
