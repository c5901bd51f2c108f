"""How each project stands, in a few figures that are kept in memory; read again where its folders have changed.

Steps write manifests, failures and artifacts by giving a finished file its name, which changes the time of the
folder it lies in: a look at a few folders tells whether anything has come or gone. A file that somebody changed
within does not show so. Therefore what is known is read again in turn when it is older than `AGE_S`, and nobody is
shown what is older than `LARGEST_AGE_S`.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.names import Named
from services.status import StepStatus, VideoStatus, project_status
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import Project

#: Seconds after which a summary is read again in its turn, and after which it is shown to nobody.
AGE_S = 60.0
LARGEST_AGE_S = 300.0
#: The states of a video in a step, from the gravest down: a project stands as its worst video does.
GRAVITY = ("failed", "degraded", "outdated", "pending", "succeeded")
#: A folder that changed less than so many nanoseconds ago may change again without its time telling.
_UNSETTLED_NS = 2_000_000_000

#: Path, inode and time of the last change of the folders of a project.
Look = tuple[tuple[str, int, int], ...]
#: The steps that work on videos, and whether a project is done without each.
Steps = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class StepFigures:
    """How many videos of a project stand how in one step.

    Args:
        counts: videos by state.
        on_cpu: videos that were computed on the CPU though a GPU was asked for or tried.
        warnings: videos whose result carries warnings.
        optional: whether a project is done without the step.
    """

    counts: Mapping[str, int]
    on_cpu: int = 0
    warnings: int = 0
    optional: bool = False

    @property
    def done(self) -> int:
        """Videos that need nothing more."""
        return sum(self.counts.get(state, 0) for state in ("succeeded", "degraded"))

    @property
    def wanted(self) -> Mapping[str, int]:
        """Videos by state, without those that nobody asked an optional step for."""
        return {state: n for state, n in self.counts.items() if n and not (self.optional and state == "pending")}


@dataclass(frozen=True)
class Summary:
    """A project: its videos, and how they stand in every step."""

    name: str
    videos: int
    steps: Mapping[str, StepFigures]

    @property
    def state(self) -> str:
        """The state of its worst video; `pending` where it has none."""
        there = {state for step in self.steps.values() for state in step.wanted}
        return next((state for state in GRAVITY if state in there), "pending")

    @property
    def done(self) -> int:
        """Videos times steps that need nothing more."""
        return sum(step.done for step in self.steps.values())

    @property
    def total(self) -> int:
        """Videos times steps, as far as they are wanted."""
        return sum(sum(step.wanted.values()) for step in self.steps.values())


@dataclass(frozen=True)
class Line:
    """A project in the list, by the name of its folder; `summary` is None until it was read."""

    name: str
    summary: Summary | None

    @property
    def project(self) -> Named:
        """What it is shown and addressed as."""
        return Named.of(self.name)


@dataclass(frozen=True)
class _Known:
    summary: Summary
    look: Look
    read: float
    settled: bool


@dataclass
class Summaries:
    """The summaries of all projects; may be used from any thread.

    Args:
        monotonic: seconds that only go forward.
    """

    monotonic: Callable[[], float] = time.monotonic
    _known: dict[tuple[Path, Steps], _Known] = field(default_factory=dict)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def look(self, keys: Sequence[str], budget_s: float, optional: Collection[str] = ()) -> list[Line]:
        """All projects by name, each with its summary where that is known or can be had in time.

        Args:
            keys: the steps that work on videos.
            budget_s: seconds that may be spent on reading: first what is unknown or has changed, then what is old.
            optional: the steps without which a project is done too.
        """
        roots = _roots(projects_folder())
        steps = tuple((key, key in optional) for key in keys)
        known = {root: self._current(root, steps) for root in roots}
        now = self.monotonic()
        missing = [root for root in roots if known[root] is None]
        found = {root: one for root, one in known.items() if one is not None}
        old = sorted((root for root in found if now - found[root].read > AGE_S), key=lambda root: found[root].read)
        self._read_in_time([*missing, *old], steps, now + budget_s, found)
        self._forget(set(roots))
        return [Line(root.name, found[root].summary if root in found else None) for root in roots]

    def _read_in_time(self, roots: Sequence[Path], steps: Steps, until: float, found: dict[Path, _Known]) -> None:
        """Read as many as there is time for; a project that is gone meanwhile is left as not known."""
        if not roots or not self._reading.acquire(timeout=max(0.0, until - self.monotonic())):
            return
        try:
            for root in roots:
                if self.monotonic() >= until:
                    return
                one = self._current(root, steps)  # another thread may have read it while this one waited
                if one is None or self.monotonic() - one.read > AGE_S:
                    one = self._read(root, steps)
                found[root] = one
        finally:
            self._reading.release()

    def _current(self, root: Path, steps: Steps) -> _Known | None:
        """What is known of a project, if that is still so."""
        known = self._known.get((root, steps))
        if known is None or not known.settled or self.monotonic() - known.read > LARGEST_AGE_S:
            return None
        return known if _again(known.look) == known.look else None

    def _read(self, root: Path, steps: Steps) -> _Known:
        look, now = _look(root), time.time_ns()  # before the reading: what changes during it shows the next time
        statuses = project_status(Project.at(root), [key for key, _ in steps])
        settled = all(now - changed > _UNSETTLED_NS for _, _, changed in look)
        known = _Known(_summary(root.name, statuses, steps), look, self.monotonic(), settled)
        self._known[root, steps] = known
        return known

    def _forget(self, roots: set[Path]) -> None:
        """Drop projects that are gone."""
        for key in [key for key in list(self._known) if key[0] not in roots]:
            self._known.pop(key, None)


def _roots(folder: Path) -> list[Path]:
    """The folders of projects, as `projects_in` finds them, in a quarter of the time."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names) if os.path.isdir(f"{folder}/{name}/docs")]  # noqa: PTH112


def _look(root: Path) -> Look:
    """The folders of a project whose times tell of a change."""
    workflow = root / ".workflow"
    try:
        with os.scandir(workflow) as entries:
            inner = sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        inner = []
    return tuple(map(_mark, (*(str(root / name) for name in ("docs", "originals", ".workflow")), *inner)))


def _again(look: Look) -> Look:
    """The same folders as they are now."""
    return tuple(_mark(path) for path, _, _ in look)


def _mark(path: str) -> tuple[str, int, int]:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a Path for each takes three times as long
    except OSError:
        return path, 0, 0
    return path, stat.st_ino, stat.st_mtime_ns


def _summary(name: str, statuses: Sequence[VideoStatus], steps: Steps) -> Summary:
    figures = {key: _figures([status.steps[key] for status in statuses], optional) for key, optional in steps}
    return Summary(name, len(statuses), figures)


def _figures(found: Sequence[StepStatus], optional: bool) -> StepFigures:
    return StepFigures(
        counts=Counter(status.state for status in found),
        on_cpu=sum(_fell_back(status) for status in found),
        warnings=sum(bool(status.manifest and status.manifest.warnings) for status in found),
        optional=optional,
    )


def _fell_back(status: StepStatus) -> bool:
    """Whether a result was computed on the CPU though a GPU was asked for or tried."""
    manifest = status.manifest
    if manifest is None or manifest.device_used != "cpu":
        return False
    return manifest.device_asked == "cuda" or any(rung.from_rung.startswith("cuda") for rung in manifest.fallbacks)


#: Those of this process.
SUMMARIES = Summaries()
