"""What every detector here does alike: take a video from the command line, measure itself, print one JSON object.

    frames       decoded frames of the file, each once
    boundaries   first frame of each new shot, 0-based among those frames, ascending
    transitions  [first, last, kind] with the mixed frames, both included; of a hard cut the two frames around it;
                 null when the detector knows none
    seconds      from opening the video to knowing the boundaries; importing libraries and loading a network do not
                 count
    peak_memory  bytes: high-water mark of this process since its start, libraries and network included, plus that
                 of its largest child process (the ffmpeg that decodes)

Resident memory counts pages that are shared with other processes, such as those of libraries.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from workflow_scripts.common.memory import peak_memory

#: Seconds between two looks at the child processes.
_PAUSE_S = 0.02


@dataclass(frozen=True)
class Detection:
    """What a detector found in one video; the fields are those of the JSON object."""

    frames: int
    boundaries: Sequence[int] = ()
    transitions: Sequence[tuple[int, int, str]] | None = None


class Stopwatch:
    """`with stopwatch: …` measures the seconds of a block and the peak memory until its end."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.peak_memory = 0
        self._children: dict[int, int] = {}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._watch_children, daemon=True)

    def __enter__(self) -> Self:
        self._watch.start()
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seconds = time.perf_counter() - self._started
        self._ended.set()
        self._watch.join()
        self.peak_memory = peak_memory() + max(self._children.values(), default=0)

    def _watch_children(self) -> None:
        """Note each child's high-water mark; the last word counts, for at first a child is a copy of its parent."""
        process = psutil.Process()
        while not self._ended.wait(_PAUSE_S):
            for child in process.children(recursive=True):
                try:
                    memory = _high_water(child)
                except (psutil.Error, OSError):
                    continue  # it has just ended
                if memory:  # a child that has ended and is not waited for yet holds none
                    self._children[child.pid] = memory


def report(detect: Callable[[Path, Stopwatch], Detection]) -> None:
    """Run `detect` on the video that ends the command line and print what it found."""
    stopwatch = Stopwatch()
    found = detect(Path(sys.argv[-1]).absolute(), stopwatch)
    said = {
        "frames": found.frames,
        "boundaries": [int(frame) for frame in found.boundaries],  # numpy's numbers become Python's
        "transitions": found.transitions,
        "seconds": stopwatch.seconds,
        "peak_memory": stopwatch.peak_memory,
    }
    print(json.dumps(said))


def _high_water(child: psutil.Process) -> int:
    """The largest resident memory a child has had, in bytes; where the system does not tell, what it has now.

    What `resource` tells of children would include what their parent held when it made them.
    """
    status = Path(f"/proc/{child.pid}/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    told = [int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")]
    return told[0] if told else int(child.memory_info().rss)
