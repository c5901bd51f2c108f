"""Compare two audio analyses of one video, of any generation: raw or reduced, plain or .gz.

A is the one to be agreed with, as FP32 on the CPU. Told are speech, first and last detection, speakers, agreement
per frame, the diarization error of B against A, and where they differ. They diverge when the first detection is 2 s
off or more, the share of frames with speech 5 points, the turns 10 % of A's speech, or when one is longer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from debug.audio_report import as_json, report_lines
from workflow_scripts.common.artifacts.audio import AudioAnalysis, read_audio
from workflow_scripts.common.clock import WORKING_RATE
from workflow_scripts.common.errors import ArtifactError, UsageError, WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.step4.comparison import Agreement, compare

LISTED = 20
AGREE, DIVERGE, UNUSABLE = 0, 1, 2


@dataclass(frozen=True)
class Compared:
    """Two files, what is in them, and how far that agrees."""

    paths: tuple[Path, Path]
    analyses: tuple[AudioAnalysis, AudioAnalysis]
    agreement: Agreement


def compare_files(arguments: Sequence[str]) -> int:
    """The command line; returns its exit status."""
    asked = _parser().parse_args(arguments)
    try:
        compared = read_and_compare(asked.a, asked.b)
        if asked.plot:
            _draw(compared, asked.plot)
    except WorkflowError as error:
        print(printable(str(error)), file=sys.stderr)
        return UNUSABLE
    paths, agreement = compared.paths, compared.agreement
    if asked.json:
        print(json.dumps(as_json(paths, compared.analyses, agreement), ensure_ascii=False))
    else:
        listed = len(agreement.different) if asked.all else asked.max
        print(*report_lines(paths, compared.analyses, agreement, listed), sep="\n")
    return DIVERGE if agreement.complaints() else AGREE


def read_and_compare(first: Path, second: Path) -> Compared:
    """Read two files and compare them.

    Raises:
        ArtifactError: one cannot be read, or holds no frame.
        UsageError: their frame rates differ, so their frames are not the same pictures.
    """
    analyses = (read_audio(first), read_audio(second))
    for path, analysis in zip((first, second), analyses, strict=True):
        if not analysis.frames:
            raise ArtifactError(path, "holds no frames.")
    return Compared((first, second), analyses, compare(analyses[0].frames, analyses[1].frames, _rate(*analyses)))


def _rate(first: AudioAnalysis, second: AudioAnalysis) -> Fraction:
    if first.fps and second.fps and first.fps != second.fps:
        raise UsageError(
            f"One analysis has {float(first.fps):g} frames/s, the other {float(second.fps):g}.",
            hint="Their frames are not the same pictures: analyse the same converted video with both.",
        )
    return first.fps or second.fps or WORKING_RATE


def _draw(compared: Compared, target: Path) -> None:
    from debug.audio_picture import draw

    try:
        draw(compared.analyses, compared.agreement, [path.name for path in compared.paths], target)
    except OSError as error:
        raise UsageError(f"{target}: the picture cannot be written ({error.strerror or error}).") from error


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of intervals")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="debug/compare_audio_json.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit status: 0 they agree; 1 they diverge; 2 wrong option or a file that cannot be used;\n"
        "3 env is not made",
        allow_abbrev=False,
    )
    parser.add_argument("a", metavar="A", type=Path, help="the analysis to be agreed with")
    parser.add_argument("b", metavar="B", type=Path, help="the other one")
    parser.add_argument("--json", action="store_true", help="print one JSON object, with all intervals")
    parser.add_argument("--plot", metavar="FILE.png", type=Path, help="draw both time lines")
    parser.add_argument("--max", metavar="N", type=_count, default=LISTED,
                        help="list the N longest intervals that differ (20)")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="list them all")
    return parser
