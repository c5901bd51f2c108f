"""Two audio analyses as one picture: a row for every speaker, a bar for every turn, and where they differ."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from workflow_scripts.common.artifacts.audio import AudioAnalysis, FrameAudio
from workflow_scripts.common.clock import timecode
from workflow_scripts.step4.comparison import UNNAMED, Agreement, Kind

#: Colours that stay apart for eyes that do not tell red from green.
_COLOURS = {"A": "#0072b2", "B": "#56b4e9"}
_KINDS: Mapping[Kind, str] = {"speech missing": "#d55e00", "speech added": "#e69f00", "other speakers": "#cc79a7"}
#: Inches: of a row, of what stands above and below the rows, and of the width.
_ROW, _AROUND, _WIDTH = 0.34, 1.3, 14.0
_BAR = 0.8
_LONGEST_LABEL = 45


@dataclass(frozen=True)
class Row:
    """One speaker of one analysis; `bars` are (start, length) in seconds."""

    owner: str
    label: str
    bars: tuple[tuple[float, float], ...]


def draw(analyses: Sequence[AudioAnalysis], agreement: Agreement, names: Sequence[str], target: Path) -> None:
    """Write the picture as PNG.

    Args:
        analyses: A and B.
        agreement: of B with A.
        names: what they are called in the title.
        target: file to write.
    Raises:
        OSError: it cannot be written.
    """
    rows = list(rows_of(analyses, agreement))
    figure = Figure(figsize=(_WIDTH, _AROUND + _ROW * (len(rows) + 1)), layout="constrained")
    axes = figure.add_subplot()
    for place, row in enumerate(rows):
        axes.broken_barh(row.bars, (place - _BAR / 2, _BAR), color=_COLOURS[row.owner])
    _mark_differences(axes, agreement, len(rows))
    labels = [_shortened(f"{row.owner}  {row.label}") for row in rows]
    axes.set_yticks(range(len(rows) + 1), [*labels, "they differ"], parse_math=False)
    axes.set_ylim(len(rows) + 0.6, -0.6)
    axes.set_xlim(0, float(max(agreement.lengths) / agreement.fps))
    axes.xaxis.set_major_formatter(lambda seconds, _: timecode(Fraction(max(0.0, seconds)))[:-2])
    axes.set_axisbelow(True)
    axes.grid(axis="x", alpha=0.3)
    verdict = "they DIVERGE" if agreement.complaints() else "they agree"
    title = f"A: {_shortened(names[0])}     B: {_shortened(names[1])}     {verdict}"
    axes.set_title(title, fontsize="medium", parse_math=False)
    handles = [Patch(color=colour, label=kind) for kind, colour in _KINDS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # names in letters that the font does not have
        figure.savefig(target, format="png", dpi=120)


def rows_of(analyses: Sequence[AudioAnalysis], agreement: Agreement) -> Iterator[Row]:
    """Every speaker of A, each followed by the one of B that is the same, then the other ones of B."""
    first, second = (_bars(analysis.frames, agreement.fps) for analysis in analyses)
    theirs = {ours: one for one, ours in agreement.mapping.items()}
    for voice in sorted(first):
        yield Row("A", voice, first[voice])
        if voice in theirs:
            yield Row("B", theirs[voice], second[theirs[voice]])
    for voice in sorted(second.keys() - agreement.mapping.keys()):
        yield Row("B", f"{voice} (only in B)", second[voice])


def _bars(frames: Iterable[FrameAudio], fps: Fraction) -> dict[str, tuple[tuple[float, float], ...]]:
    """Of each speaker where they speak: (start, length) in seconds."""
    runs: dict[str, list[tuple[int, int]]] = {}
    start = 0
    for frame, same in groupby(frames):
        end = start + sum(1 for _ in same)
        for voice in dict.fromkeys(frame.speakers or (UNNAMED,)) if frame.speech else ():
            own = runs.setdefault(voice, [])
            if own and own[-1][1] == start:
                own[-1] = (own[-1][0], end)
            else:
                own.append((start, end))
        start = end
    return {
        voice: tuple((float(first / fps), float((last - first) / fps)) for first, last in own)
        for voice, own in runs.items()
    }


def _mark_differences(axes: Axes, agreement: Agreement, place: int) -> None:
    """A row of its own below the others, and a pale band through them."""
    for kind, colour in _KINDS.items():
        bars = [
            (float(one.start / agreement.fps), float(len(one) / agreement.fps))
            for one in agreement.different
            if one.kind == kind
        ]
        axes.broken_barh(bars, (place - _BAR / 2, _BAR), color=colour)
        axes.broken_barh(bars, (-0.6, place + 0.1), color=colour, alpha=0.15, linewidth=0, zorder=0)


def _shortened(text: str) -> str:
    half = _LONGEST_LABEL // 2
    return text if len(text) <= _LONGEST_LABEL else f"{text[:half]}…{text[-half:]}"
