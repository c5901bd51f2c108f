"""Made-up sequences of a folder's videos, and what STEP3 finds in them.

    transnet_env/bin/python -m benchmarks.shots.transitions [--backend B] FOLDER

prints a JSON object for each sequence, as soon as it is known. Without B it computes in FP32, for most sequences
are short, and of each the first window would be checked in FP32 anyway.

    group            what kind of sequence it is
    frames           how many it has
    hard, gradual    its transitions, as in truth.json
    found            first frames of new shots by STEP3's rules
    package          the same by the package's rule on the same scores: one head, one threshold
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.shots.clean_shots import CleanShot, clean_shots
from benchmarks.shots.made_up import MadeUp, fast_sequences, slow_sequences
from benchmarks.shots.made_up_motion import uncut_sequences
from benchmarks.shots.package_rule import peaks
from benchmarks.shots.step3 import Step3
from services.bench.shot_truth import load_truth
from workflow_scripts.step3.backends import BACKENDS


def sequences(shots: Sequence[CleanShot]) -> Iterator[MadeUp]:
    """All of them: cut fast, mixed slowly, not cut at all."""
    return chain(fast_sequences(shots), slow_sequences(shots), uncut_sequences(shots))


def judged(step: Step3, made: MadeUp) -> dict[str, Any]:
    """What is printed about a sequence."""
    raw = [picture.tobytes() for picture in made.frames]
    scores = step.scores(lambda: raw, len(raw))
    return {
        "group": made.group,
        "frames": len(raw),
        "hard": made.hard,
        "gradual": made.gradual,
        "found": [one.cut for one in step.transitions(scores)],
        "package": peaks(scores.single),
    }


def _main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--backend", choices=BACKENDS, default="float32")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    shots = clean_shots(arguments.folder, load_truth(arguments.folder))
    step = Step3(arguments.backend)
    for made in sequences(shots):
        print(json.dumps(judged(step, made)), flush=True)


if __name__ == "__main__":
    _main()
