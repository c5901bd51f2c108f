"""Whether a mode of computing says the same as FP32 on the CPU, asked on a video's own sound.

Half precision once lost 3,500 of 3,762 frames of speech, silently, and only on some sounds: in noise, in a hall, at
a low level. So a test sound proves nothing. An excerpt of the video itself goes through the mode and through the
reference; where the two do not agree by the criteria of `comparison.py`, the mode is not to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.artifacts.audio import frames_of_turns
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.step4.comparison import Agreement, compare
from workflow_scripts.step4.engine import HEARD_RATE, SAMPLE_RATE, Diarization, Engine, Sound, SpeakerCount

EXCERPT_SECONDS = 30
"""Long enough for several turns; the reference takes 30 s at most for it, with pyannote's networks on two cores."""
SUSPICIOUS_SHARE = 0.05
"""Less speech than this is looked at again; it may be right, in a film without much talk."""
SUSPICIOUS_DIFFERENCE = 0.10
"""So is a share of speech this far from that of an independent detector. Between it and either engine there are
0 to 7 points on the recordings of docs/measurements.md."""
_CLOCK_RATE = Fraction(25)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Excerpt:
    """A part of a sound, half-open, in samples."""

    start: int
    end: int

    def of(self, sound: Sound) -> npt.NDArray[np.float32]:
        """Its samples."""
        return sound[self.start : self.end]


@dataclass(frozen=True)
class Verdict:
    """What came of a check: where, and how far the two agree, the reference first."""

    excerpt: Excerpt
    agreement: Agreement

    @property
    def complaints(self) -> tuple[str, ...]:
        """Sentences; none where the mode may be trusted."""
        return self.agreement.complaints()


def speech_share(mask: Mask) -> float:
    """Share of true values, 0 of nothing."""
    return float(mask.mean()) if len(mask) else 0.0


def is_suspicious(found: Mask, independent: Mask) -> bool:
    """Whether the speech that was found is to be doubted.

    Args:
        found: speech in tenths of a second, bool `(n,)`.
        independent: the same by the independent detector.
    """
    share, other = speech_share(found), speech_share(independent)
    return (share < SUSPICIOUS_SHARE <= other) or abs(share - other) > SUSPICIOUS_DIFFERENCE


def on_tenths(found: Diarization) -> Mask:
    """Where a diarization has speech, in tenths of a second: bool `(ceil(duration * 10),)`."""
    mask = np.zeros(int(np.ceil(found.duration * HEARD_RATE)), bool)
    for segment in found.speech:
        mask[round(segment.start * HEARD_RATE) : max(round(segment.end * HEARD_RATE), 1)] = True
    return mask


def choose_excerpt(found: Mask, independent: Mask, samples: int) -> Excerpt:
    """The part of a sound that says most: where the two differ most, and among such parts where most is spoken.

    Args:
        found, independent: as for `is_suspicious`.
        samples: length of the sound.
    """
    length = EXCERPT_SECONDS * HEARD_RATE
    if len(found) <= length:
        return Excerpt(0, samples)
    doubt = 2.0 * (found != independent) + (found | independent)
    sums = np.concatenate([[0.0], np.cumsum(doubt)])
    start = int(np.argmax(sums[length:] - sums[:-length]))
    step = SAMPLE_RATE // HEARD_RATE
    return Excerpt(start * step, min((start + length) * step, samples))


def check(engine: Engine, reference: Engine, sound: Sound, excerpt: Excerpt, speakers: SpeakerCount) -> Verdict:
    """Let an excerpt go through an engine and through the reference."""
    part = excerpt.of(sound)
    clock = FrameClock(_CLOCK_RATE, max(1, int(len(part) / SAMPLE_RATE * _CLOCK_RATE)))
    first, second = (
        frames_of_turns(one.diarize(part, speakers, lambda *_: None).turns, clock) for one in (reference, engine)
    )
    return Verdict(excerpt, compare(first, second, _CLOCK_RATE))
