"""The shots of STEP3, on the file as it is, with the step's default parameters.

STEP2 has counted the frames when STEP3 runs, so here they are counted before the time that is measured.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from benchmarks.shots.measured import Detection, Stopwatch, report
from benchmarks.shots.package_rule import peaks
from benchmarks.shots.pictures import decoded
from benchmarks.shots.step3 import Step3
from workflow_scripts.step3.backends import BACKENDS


def detect(step: Step3, video: Path, stopwatch: Stopwatch) -> Detection:
    """Decode, infer window by window, look again, cut."""
    count = sum(1 for _ in decoded(video))
    with stopwatch:
        found = step.transitions(step.scores(lambda: decoded(video), count))
    return Detection(count, [one.cut for one in found], [(one.first, one.last, one.kind) for one in found])


def detect_as_package(step: Step3, video: Path, stopwatch: Stopwatch) -> Detection:
    """Decode and infer, and cut as the package does: what it finds must be the package's cuts."""
    count = sum(1 for _ in decoded(video))
    with stopwatch:
        cuts = peaks(step.scores(lambda: decoded(video), count).single)
    return Detection(count, cuts)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="how the network is computed")
    parser.add_argument("--first-look", action="store_true", help="no second looks")
    parser.add_argument("--as-package", action="store_true", help="no second looks, and the package's rule")
    parser.add_argument("video", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _arguments()
    loaded = Step3(arguments.backend, second_looks=not (arguments.first_look or arguments.as_package))
    report(partial(detect_as_package if arguments.as_package else detect, loaded))
