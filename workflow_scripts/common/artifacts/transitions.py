"""Transitions, `.workflow/<stem>/shots.json`: how each shot begins, and the scores behind it for a viewer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import compact, rate_in_json, read_entries
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.timeline import Transition

NAME = "shots.json"


def write_transitions(
    path: Path, transitions: Sequence[Transition], scores: Mapping[str, Iterable[float]], clock: FrameClock
) -> None:
    """Write a video's transitions, one per line, and its scores.

    Args:
        scores: by name, a number in 0..1 for every frame, or for every second one; four decimals are kept.
    """
    with atomic_writer(path) as stream:
        stream.write(f'{{"fps":{compact(rate_in_json(clock.fps))},"frames":{clock.frames},"transitions":[')
        stream.write(",".join("\n" + compact(vars(one)) for one in transitions))
        stream.write('\n],"scores":{')
        for number, (name, values) in enumerate(scores.items()):
            rounded = ",".join(f"{float(value):.4f}".rstrip("0").rstrip(".") for value in values)
            stream.write(f'{"," if number else ""}\n"{name}":[{rounded}]')
        stream.write("\n}}\n")


def read_transitions(path: Path) -> tuple[Transition, ...]:
    """The transitions of a video.

    Raises:
        ArtifactError: the file is missing, or holds something else.
    """
    return read_entries(path, "transitions", "transition", _transition)


def _transition(entry: Any) -> Transition:
    one = Transition(**entry)
    if one.kind not in ("hard", "gradual"):
        raise ValueError(f"{one.kind!r} is no kind of transition")
    if not all(isinstance(frame, int) for frame in (one.cut, one.first, one.last)):
        raise ValueError("a frame number is not whole")
    return one
