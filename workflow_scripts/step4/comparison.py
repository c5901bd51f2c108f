"""Two audio analyses of one video, frame by frame: how far they agree, and where they do not.

`debug/compare_audio_json.py` shows it to people; the consistency check of STEP4 judges by it. The first analysis is
the one to be agreed with. Needs nothing beyond the standard library, but for finding out which speaker is which.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import groupby
from typing import Literal

from workflow_scripts.common.artifacts.audio import FrameAudio

FIRST_SHIFT_LIMIT = 2.0
"""Seconds by which the first detection may be off; from here on it is a divergence."""
SPEECH_DIFFERENCE_LIMIT = 5.0
"""The same for the share of frames with speech, in points of a hundred."""
ERROR_LIMIT = 0.10
"""The same for the turns, as a diarization error rate. Where half of a video is speech, the 5 points allowed above
are a tenth of it: who speaks may be off by no more than whether somebody does. On eight recordings, noise 40 dB
below the sound moves the embedded engine's turns by 8 % at most, noise of one step of 16 bits by 2.4 %; taking two
speakers for one, on four of them, by 16 to 46 %."""
UNNAMED = "(no name)"
"""Stands for the speaker of frames with speech but without a label, as old files have them."""

Kind = Literal["speech missing", "speech added", "other speakers"]
Voices = frozenset[str]
#: Who speaks in a frame by the first and by the second analysis.
Pair = tuple[Voices, Voices]


@dataclass(frozen=True)
class Difference:
    """A run of frames, half-open `[start, end)`, 0-based, in which the second says otherwise than the first.

    `speech missing`: only the first has speech; `speech added`: only the second; `other speakers`: both, of others.
    """

    start: int
    end: int
    kind: Kind

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Agreement:
    """How far two analyses agree on the frames that both have; of two values the first analysis's comes first.

    Args:
        frames: how many frames both have, `fps` of them a second.
        lengths: how many each has.
        speech: share of frames with speech.
        first, last: seconds at which the first and the last frame with speech begin, None without speech.
        same_speech: share of frames of which both say the same: speech or none.
        error: diarization error rate of the second against the first, on frames: overlap counts, speakers are
            mapped one to one as is best, (missed + false alarm + confused) / speech of the first. 0 where neither
            has speech, inf where only the second has.
        mapping: speakers of the second to those of the first.
        different: where they differ, in order of time.
    """

    frames: int
    fps: Fraction
    lengths: tuple[int, int]
    speech: tuple[float, float]
    first: tuple[float | None, float | None]
    last: tuple[float | None, float | None]
    same_speech: float
    error: float
    mapping: Mapping[str, str]
    different: tuple[Difference, ...]

    @property
    def same_speakers(self) -> float:
        """Share of frames of which both say the same, the speakers included."""
        return 1 - _share(sum(map(len, self.different)), self.frames) if self.frames else 1.0

    @property
    def first_shift(self) -> float:
        """Seconds between the first detections: 0 where neither has speech, inf where only one has."""
        ours, theirs = self.first
        if ours is None or theirs is None:
            return 0.0 if ours == theirs else math.inf
        return abs(theirs - ours)

    @property
    def speech_difference(self) -> float:
        """Difference of the shares of speech, in points of a hundred."""
        return 100 * abs(self.speech[1] - self.speech[0])

    def complaints(self) -> tuple[str, ...]:
        """What makes it a divergence, one sentence each; none where the two agree."""
        found = []
        if self.lengths[0] != self.lengths[1]:
            found.append(f"One has {self.lengths[0]} frames, the other {self.lengths[1]}.")
        if self.first_shift == math.inf:
            found.append("Only one of them has speech.")
        elif self.first_shift >= FIRST_SHIFT_LIMIT:
            found.append(f"The first detection is {self.first_shift:.2f} s off (limit {FIRST_SHIFT_LIMIT:g} s).")
        if self.speech_difference >= SPEECH_DIFFERENCE_LIMIT:
            off = f"{self.speech_difference:.1f} points off (limit {SPEECH_DIFFERENCE_LIMIT:g})"
            found.append(f"The share of frames with speech is {off}.")
        if ERROR_LIMIT <= self.error < math.inf:
            found.append(
                f"The diarization error of one against the other is {self.error:.1%} (limit {ERROR_LIMIT:.0%})."
            )
        return tuple(found)


def compare(first: Sequence[FrameAudio], second: Sequence[FrameAudio], fps: Fraction) -> Agreement:
    """Compare two analyses of one video, the second with the first.

    Where one is longer, the rest of it is left out, and that is a complaint.
    """
    pairs: list[Pair] = [(_voices(ours), _voices(theirs)) for ours, theirs in zip(first, second, strict=False)]
    counts = Counter(pairs)
    mapping = _best_mapping(counts)
    kinds = {pair: _kind(pair, mapping) for pair in counts}
    spoken = [[index for index, pair in enumerate(pairs) if pair[which]] for which in (0, 1)]
    same = sum(count for (ours, theirs), count in counts.items() if bool(ours) == bool(theirs))
    return Agreement(
        frames=len(pairs),
        fps=fps,
        lengths=(len(first), len(second)),
        speech=(_share(len(spoken[0]), len(pairs)), _share(len(spoken[1]), len(pairs))),
        first=(_time(spoken[0][:1], fps), _time(spoken[1][:1], fps)),
        last=(_time(spoken[0][-1:], fps), _time(spoken[1][-1:], fps)),
        same_speech=_share(same, len(pairs)) if pairs else 1.0,
        error=_error(counts, mapping),
        mapping=mapping,
        different=tuple(_runs(kinds[pair] for pair in pairs)),
    )


@lru_cache(1024)
def _voices(frame: FrameAudio) -> Voices:
    """Who speaks; labels without speech do not count."""
    return frozenset(frame.speakers or (UNNAMED,)) if frame.speech else frozenset()


def _best_mapping(counts: Mapping[Pair, int]) -> dict[str, str]:
    """Speakers of the second to those of the first, one to one, so that most frames agree."""
    together: Counter[tuple[str, str]] = Counter()
    for (ours, theirs), count in counts.items():
        together.update({(theirs_one, ours_one): count for theirs_one in theirs for ours_one in ours})
    if not together:
        return {}
    from scipy.optimize import linear_sum_assignment

    rows, columns = (sorted({pair[which] for pair in together}) for which in (0, 1))
    frames = [[together[row, column] for column in columns] for row in rows]
    chosen = (
        (rows[row], columns[column]) for row, column in zip(*linear_sum_assignment(frames, True), strict=True)
    )
    return {theirs: ours for theirs, ours in chosen if together[theirs, ours]}


def _mapped(voices: Voices, mapping: Mapping[str, str]) -> set[str | None]:
    return {mapping.get(voice) for voice in voices}


def _error(counts: Mapping[Pair, int], mapping: Mapping[str, str]) -> float:
    spoken = sum(len(ours) * count for (ours, _), count in counts.items())
    # Missed, false alarm and confused make, together, what the larger number of speakers exceeds the right ones by.
    wrong = sum(
        (max(len(ours), len(theirs)) - len(ours & _mapped(theirs, mapping))) * count
        for (ours, theirs), count in counts.items()
    )
    return wrong / spoken if spoken else math.inf if wrong else 0.0


def _kind(pair: Pair, mapping: Mapping[str, str]) -> Kind | None:
    ours, theirs = pair
    if ours and theirs:
        same = len(ours) == len(theirs) and _mapped(theirs, mapping) == ours
        return None if same else "other speakers"
    return "speech missing" if ours else "speech added" if theirs else None


def _runs(kinds: Iterable[Kind | None]) -> Iterator[Difference]:
    start = 0
    for kind, run in groupby(kinds):
        end = start + sum(1 for _ in run)
        if kind:
            yield Difference(start, end, kind)
        start = end


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _time(frames: Sequence[int], fps: Fraction) -> float | None:
    return float(frames[0] / fps) if frames else None
