"""How wrong a diarization is, by pyannote.metrics: no collar, overlapping speech counts. Figures are seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyannote.core import Annotation, Timeline
from pyannote.core import Segment as Span
from pyannote.metrics.detection import DetectionErrorRate
from pyannote.metrics.diarization import DiarizationErrorRate

from workflow_scripts.common.timeline import Segment, Turn


def scores(truth: Iterable[Turn], found: Iterable[Turn], extent: Sequence[Segment]) -> dict[str, float]:
    """Compare the turns that were found with the true ones, in the parts of a recording that `extent` names.

    Returns:
        spoken: true speech, of each speaker; missed, false_alarm, confused: errors of diarization.
        speech: true speech, of anybody; speech_missed, speech_false: errors of detecting it.
    """
    parts = Timeline([Span(part.start, part.end) for part in extent])
    reference, hypothesis = _annotation(truth), _annotation(found)
    turns = DiarizationErrorRate()(reference, hypothesis, uem=parts, detailed=True)
    speech = DetectionErrorRate()(reference, hypothesis, uem=parts, detailed=True)
    return {
        "spoken": float(turns["total"]),
        "missed": float(turns["missed detection"]),
        "false_alarm": float(turns["false alarm"]),
        "confused": float(turns["confusion"]),
        "speech": float(speech["total"]),
        "speech_missed": float(speech["miss"]),
        "speech_false": float(speech["false alarm"]),
    }


def _annotation(turns: Iterable[Turn]) -> Annotation:
    annotation = Annotation()
    for track, turn in enumerate(turns):
        annotation[Span(turn.start, turn.end), track] = turn.speaker
    return annotation
