"""Accuracy, speed and memory of shot detectors side by side, on a folder of videos whose cuts are known."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from services.bench.corpus import corpus_files
from services.bench.scripts import Show
from services.bench.shot_accuracy import Counts, judge
from services.bench.shot_detectors import REFERENCES, Detection, Detector, detect
from services.bench.shot_truth import CutTruth
from workflow_scripts.common.errors import RefusedError, ToolError
from workflow_scripts.common.media import open_media

TOLERANCES = (0, 2)


@dataclass(frozen=True)
class Findings:
    """What one detector found in each video; where it failed there is a sentence in its place."""

    detector: str
    found: Mapping[str, Detection]
    failures: Mapping[str, str]

    def counts(self, truths: Mapping[str, CutTruth], tolerance: int) -> Counts:
        """Agreement with the truth over all videos; in one on which it failed it found nothing."""
        each = (judge(self.boundaries(name), truth, tolerance) for name, truth in truths.items())
        return sum(each, Counts())

    def boundaries(self, name: str) -> tuple[int, ...]:
        """First frames of new shots in one video."""
        return self.found[name].boundaries if name in self.found else ()

    def remarks(self, truths: Mapping[str, CutTruth]) -> list[str]:
        """Where it failed, and where it saw other frames than there are, so that its indices may be off."""
        odd = {name: (one.frames, truths[name].frames) for name, one in self.found.items()}
        return [
            *self.failures.values(),
            *(
                f"{self.detector} saw {seen} frames of {name}, which has {there}."
                for name, (seen, there) in odd.items()
                if there is not None and seen != there
            ),
        ]


@dataclass(frozen=True)
class Speed:
    """How fast a detector was on one video, in frames per second, and its peak memory in bytes.

    `frames_per_second` is the median over the rounds; `ratios` say how many times as fast as each reference it
    was: the median of the ratios within each round, so that what else the machine did weighs less.
    """

    detector: str
    frames_per_second: float
    ratios: Mapping[str, float]
    peak_memory: int
    process_seconds: float


def find_cuts(
    detectors: Sequence[Detector], folder: Path, truths: Mapping[str, CutTruth], show: Show
) -> list[Findings]:
    """Let every detector that looks for shots work on every video whose cuts are known."""
    findings = []
    for detector in (one for one in detectors if one.judged):
        found: dict[str, Detection] = {}
        failures: dict[str, str] = {}
        for number, name in enumerate(truths, 1):
            show(f"cuts {number}/{len(truths)}: {detector.name} on {name}")
            try:
                found[name] = detect(detector, folder / name)
            except ToolError as error:
                failures[name] = str(error)
        findings.append(Findings(detector.name, found, failures))
    return findings


def measure_speed(detectors: Sequence[Detector], video: Path, rounds: int, show: Show) -> list[Speed]:
    """Run all detectors on one video, in turn, several times.

    Each round begins with another one, so that none is always the first after a pause.

    Raises:
        ToolError: one of them failed.
    """
    results: list[dict[str, Detection]] = []
    for number in range(rounds):
        results.append({})
        shift = number % len(detectors)
        for detector in (*detectors[shift:], *detectors[:shift]):
            show(f"speed {number + 1}/{rounds}: {detector.name} on {video.name}")
            results[-1][detector.name] = detect(detector, video)
    return [_speed(detector.name, results) for detector in detectors]


def _speed(name: str, rounds: Sequence[Mapping[str, Detection]]) -> Speed:
    own = [found[name] for found in rounds]
    ratios = {
        reference: statistics.median(found[reference].seconds / found[name].seconds for found in rounds)
        for reference in REFERENCES
        if reference in rounds[0]
    }
    return Speed(
        detector=name,
        frames_per_second=statistics.median(one.frames / one.seconds for one in own),
        ratios=ratios,
        peak_memory=max(one.peak_memory for one in own),
        process_seconds=statistics.median(one.process_seconds for one in own),
    )


def longest_video(folder: Path) -> Path:
    """The video of a folder that says it lasts longest; what cannot be read as one is passed over.

    Raises:
        UsageError: there is none.
    """
    return max(corpus_files(folder), key=_declared_duration)


def _declared_duration(path: Path) -> int:
    try:
        with open_media(path) as container:
            return container.duration or 0
    except RefusedError:
        return 0


def as_json(
    findings: Sequence[Findings], truths: Mapping[str, CutTruth], video: Path, speeds: Sequence[Speed]
) -> dict[str, Any]:
    """Everything that was measured, for `--json`."""
    return {
        "accuracy": {
            one.detector: {str(tolerance): score_table(one.counts(truths, tolerance)) for tolerance in TOLERANCES}
            for one in findings
        },
        "videos": {
            name: {"truth": asdict(truth)}
            | {one.detector: asdict(one.found[name]) for one in findings if name in one.found}
            for name, truth in truths.items()
        },
        "remarks": [remark for one in findings for remark in one.remarks(truths)],
        "speed": {"video": video.name, "detectors": [asdict(one) for one in speeds]},
    }


def score_table(counts: Counts) -> dict[str, dict[str, float | None]]:
    """Counts and shares of each kind of cut."""
    return {
        kind: asdict(score) | {"precision": score.precision, "recall": score.recall, "f1": score.f1}
        for kind, score in counts.scores().items()
    }
