"""How two audio analyses agree, as lines for people and as a JSON object. Frames count from 1, as in files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.audio import AudioAnalysis
from workflow_scripts.common.clock import timecode
from workflow_scripts.common.events import printable
from workflow_scripts.step4.comparison import Agreement, Difference

#: Columns of the table: what it is, A and B.
_WIDTHS = (20, 32, 0)


def report_lines(
    paths: Sequence[Path], analyses: Sequence[AudioAnalysis], agreement: Agreement, listed: int
) -> Iterator[str]:
    """The report; `listed` is how many of the intervals that differ it shows, the longest ones."""
    yield from (printable(f"{name}: {path}") for name, path in zip("AB", paths, strict=True))
    yield f"Compared: {agreement.frames} frames at {float(agreement.fps):g} frames/s"
    yield ""
    yield from (_row(*cells) for cells in _table(analyses, agreement))
    yield ""
    yield _row("same speech", f"{agreement.same_speech:.1%} of the frames")
    yield _row("same speakers", f"{agreement.same_speakers:.1%} of the frames")
    yield _row("diarization error", _error(agreement.error))
    yield from _mapping_lines(agreement)
    yield ""
    yield from _difference_lines(agreement, listed)
    yield ""
    complaints = agreement.complaints()
    yield "Verdict: they DIVERGE." if complaints else "Verdict: they agree."
    yield from (f"  {complaint}" for complaint in complaints)


def as_json(paths: Sequence[Path], analyses: Sequence[AudioAnalysis], agreement: Agreement) -> dict[str, Any]:
    """The same, with all intervals; of two values A's comes first, and null stands for what is infinite."""
    return {
        "files": [str(path) for path in paths],
        "frames": agreement.frames,
        "fps": float(agreement.fps),
        "lengths": agreement.lengths,
        "speech_frames": _speech_frames(agreement),
        "speech_share": agreement.speech,
        "first_speech_s": agreement.first,
        "first_speech_frame": [_number(agreement, time) for time in agreement.first],
        "last_speech_s": agreement.last,
        "last_speech_frame": [_number(agreement, time) for time in agreement.last],
        "first_shift_s": _finite(agreement.first_shift),
        "speech_difference_points": agreement.speech_difference,
        "speakers": [analysis.speakers for analysis in analyses],
        "same_speech": agreement.same_speech,
        "same_speakers": agreement.same_speakers,
        "error": _finite(agreement.error),
        "mapping": agreement.mapping,
        "different": [
            {
                "first_frame": one.start + 1,
                "last_frame": one.end,
                "start_s": float(one.start / agreement.fps),
                "end_s": float(one.end / agreement.fps),
                "kind": one.kind,
            }
            for one in agreement.different
        ],
        "agree": not agreement.complaints(),
        "complaints": agreement.complaints(),
    }


def _table(analyses: Sequence[AudioAnalysis], agreement: Agreement) -> Iterator[tuple[str, ...]]:
    yield "", "A", "B"
    yield "frames", *map(str, agreement.lengths)
    yield (
        "frames with speech",
        *(
            f"{count} ({share:.1%})"
            for count, share in zip(_speech_frames(agreement), agreement.speech, strict=True)
        ),
    )
    yield "first speech", *(_moment(agreement, time) for time in agreement.first)
    yield "last speech", *(_moment(agreement, time) for time in agreement.last)
    yield "speakers", *(_names(analysis.speakers) for analysis in analyses)


def _row(*cells: str) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=False))
    return "".join(padded).rstrip()


def _names(speakers: Sequence[str]) -> str:
    shown = ", ".join(speakers[:2]) + (", …" if len(speakers) > 2 else "")
    return printable(f"{len(speakers)}: {shown}" if speakers else "none")


def _speech_frames(agreement: Agreement) -> list[int]:
    return [round(share * agreement.frames) for share in agreement.speech]


def _number(agreement: Agreement, time: float | None) -> int | None:
    """The number, from 1, of the frame that begins at a time."""
    return None if time is None else round(time * agreement.fps) + 1


def _moment(agreement: Agreement, time: float | None) -> str:
    return "-" if time is None else f"frame {_number(agreement, time)} ({time:.2f} s)"


def _error(error: float) -> str:
    return f"{error:.1%} of A's speech" if math.isfinite(error) else "A has no speech"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mapping_lines(agreement: Agreement) -> Iterator[str]:
    for number, (theirs, ours) in enumerate(sorted(agreement.mapping.items())):
        yield _row("" if number else "speakers of B", printable(f"{theirs} is A's {ours}"))


def _difference_lines(agreement: Agreement, listed: int) -> Iterator[str]:
    places = len(agreement.different)
    if not places:
        yield "They differ nowhere."
        return
    longest = sorted(agreement.different, key=len, reverse=True)[:listed]
    which = "" if listed >= places else f" The {len(longest)} longest:" if longest else " None is listed."
    frames = sum(map(len, agreement.different))
    yield f"They differ in {frames} frames, in {places} place{'s' if places > 1 else ''}.{which}"
    yield from (_difference(one, agreement.fps) for one in sorted(longest, key=lambda one: one.start))


def _difference(one: Difference, fps: Fraction) -> str:
    span = f"{timecode(one.start / fps)} - {timecode(one.end / fps)}"
    return f"  {span}  frames {one.start + 1}-{one.end}  {one.kind}"
