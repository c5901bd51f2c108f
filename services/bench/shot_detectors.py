"""The shot detectors that `scripts/bench shots` compares, each a command in an environment of its own.

What a command prints is told in `benchmarks/shots/measured.py`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.bench.scripts import lines_of, script_command
from services.environments import Status, state
from workflow_scripts.common.errors import PreconditionError, ToolError

#: What the others are measured against.
REFERENCES = ("package", "decode")


@dataclass(frozen=True)
class Script:
    """Where a detector runs, the module in `benchmarks/shots`, and its options."""

    environment: str
    module: str
    options: tuple[str, ...] = ()


#: The detectors in the order of the tables.
SCRIPTS = {
    "workflow": Script("transnet_env", "workflow"),
    "workflow-float32": Script("transnet_env", "workflow", ("--backend", "float32")),
    "workflow-first-look": Script("transnet_env", "workflow", ("--backend", "float32", "--first-look")),
    "workflow-reference": Script("transnet_env", "workflow", ("--backend", "float32", "--as-package")),
    "package": Script("transnet_env", "package"),
    "pyscenedetect-adaptive": Script("bench_env", "pyscenedetect_adaptive"),
    "pyscenedetect-content": Script("bench_env", "pyscenedetect_content"),
    "decode": Script("transnet_env", "decode"),
}


@dataclass(frozen=True)
class Detector:
    """A command that takes a video; `judged` tells whether it looks for shots at all."""

    name: str
    command: tuple[str, ...]
    judged: bool = True


@dataclass(frozen=True)
class Detection:
    """What a detector said of one video.

    `boundaries` are first frames of new shots, 0-based among the file's own `frames`; `transitions` are (first,
    last, kind) with the mixed frames, both included, None when it knows none. `seconds` are those of detection,
    `process_seconds` those of the whole process with its start; `peak_memory` is in bytes.
    """

    frames: int
    boundaries: tuple[int, ...]
    transitions: tuple[tuple[int, int, str], ...] | None
    seconds: float
    process_seconds: float
    peak_memory: int


def chosen_detectors(names: Sequence[str]) -> tuple[Detector, ...]:
    """The detectors of these names, all of them without any, in the order of the tables.

    Raises:
        PreconditionError: the environment of one is not made.
    """
    chosen = [name for name in SCRIPTS if name in names or not names]
    for name in chosen:
        environment = SCRIPTS[name].environment
        if state(environment).status not in (Status.READY, Status.OUTDATED):
            others = [other for other, script in SCRIPTS.items() if script.environment != environment]
            raise PreconditionError(
                f"{name} runs in {environment}, which is not made.",
                hint=f"Run scripts/setup {environment}, or measure the others: --only {' --only '.join(others)}.",
            )
    return tuple(Detector(name, _command(SCRIPTS[name]), judged=name != "decode") for name in chosen)


def _command(script: Script) -> tuple[str, ...]:
    return script_command(script.environment, script.module, *script.options)


def detect(detector: Detector, video: Path) -> Detection:
    """Run a detector on a video in a fresh process.

    Raises:
        ToolError: it failed, or what it printed cannot be understood; with its last words.
    """
    started = time.perf_counter()
    command = [*detector.command, str(video.absolute())]
    lines = list(lines_of(command, f"{detector.name} failed on {video.name}"))
    seconds = time.perf_counter() - started
    try:
        return _read(lines[-1], seconds)
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise ToolError(f"{detector.name} on {video.name}: what it printed is no result ({error!r}).") from error


def _read(line: str, process_seconds: float) -> Detection:
    said = json.loads(line)
    spans = said["transitions"]
    return Detection(
        frames=int(said["frames"]),
        boundaries=tuple(map(int, said["boundaries"])),
        transitions=None if spans is None else tuple((int(a), int(b), str(kind)) for a, b, kind in spans),
        seconds=float(said["seconds"]),
        process_seconds=process_seconds,
        peak_memory=int(said["peak_memory"]),
    )
