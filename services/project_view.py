"""A project as a matrix: how every video stands in every step, what is at work on it, and what needs a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.names import Named
from services.pipeline import Pipeline, StepDefinition
from services.planning import FIRST_STEP
from services.runs import StepRun, VideoState
from services.status import StepStatus, VideoStatus
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.projects import Project

#: States of a video in a step that somebody should look at.
ATTENTION = ("failed", "degraded", "outdated")
#: States from which a step has nothing more to do, unless it is forced to.
DONE = ("succeeded", "degraded")


@dataclass(frozen=True)
class Cell:
    """One step of one video; `state` is the status's, or `running` while a step run is at work on the video."""

    step: str
    state: str
    status: StepStatus

    @property
    def judged(self) -> int:
        """How many quality gates there are that pass or fail."""
        return sum(gate.passed is not None for gate in self._gates)

    @property
    def passed(self) -> int:
        """How many of them passed."""
        return sum(gate.passed is True for gate in self._gates)

    @property
    def _gates(self) -> Sequence[Gate]:
        return self.status.manifest.gates if self.status.manifest else ()


@dataclass(frozen=True)
class Row:
    """One video and its cells, in the order of the steps."""

    video: Named
    cells: tuple[Cell, ...]

    @property
    def needs_attention(self) -> bool:
        """Whether one of its steps should be looked at."""
        return any(cell.state in ATTENTION for cell in self.cells)


@dataclass(frozen=True)
class Column:
    """One step of a project: how many videos stand how, and the step run that is at work or waits, if any."""

    step: StepDefinition
    counts: Mapping[str, int]
    work: StepRun | None


@dataclass(frozen=True)
class Matrix:
    """All videos of a project in all steps that work on videos; `attention` counts the videos to look at."""

    project: Named
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    attention: int
    total: int


def work_on(project: Project, active: Iterable[StepRun]) -> dict[str, StepRun]:
    """The unfinished step runs of a project by step; of those of one step, the first in turn."""
    found: dict[str, StepRun] = {}
    for step in active:
        if step.active and step.project == project.name:
            found.setdefault(step.step, step)
    return found


def at_work(work: Mapping[str, StepRun], videos: Callable[[int], Sequence[VideoState]]) -> dict[str, set[str]]:
    """The stems of the videos that the running step runs of a project are at work on, by step.

    Steps name a video before or after conversion: the stem is the same. What was reported of a video counts more
    than progress, which may be old.

    Args:
        work: the unfinished step runs.
        videos: the videos of a step run, by its id.
    """
    found: dict[str, set[str]] = {}
    for key, step in work.items():
        if step.state == "running":
            states = {Path(video.video).stem: video.state for video in videos(step.id)}
            speaks_of = {Path(step.progress.video).stem} if step.progress and step.progress.video else set()
            found[key] = {stem for stem, state in states.items() if state == "running"} | speaks_of - states.keys()
    return found


def matrix(
    pipeline: Pipeline,
    project: Project,
    statuses: Sequence[VideoStatus],
    work: Mapping[str, StepRun],
    busy: Mapping[str, Collection[str]],
    *,
    attention_only: bool = False,
) -> Matrix:
    """The matrix of a project.

    Args:
        pipeline: the graph; its first step makes projects and is no column.
        project: the project.
        statuses: its videos.
        work: its unfinished step runs, as `work_on` gives them.
        busy: the stems of the videos that those are at work on, as `at_work` gives them.
        attention_only: leave out the videos that nobody needs to look at.
    """
    rows = [_row(status, busy) for status in statuses]
    attention = [row for row in rows if row.needs_attention]
    columns = [
        Column(step, Counter(status.steps[step.key].state for status in statuses), work.get(step.key))
        for step in pipeline.steps
        if step.key != FIRST_STEP
    ]
    shown = attention if attention_only else rows
    return Matrix(Named.of(project.name), tuple(columns), tuple(shown), len(attention), len(rows))


def _row(status: VideoStatus, busy: Mapping[str, Collection[str]]) -> Row:
    stem = status.video.stem
    cells = (
        Cell(key, "running" if stem in busy.get(key, ()) else step.state, step)
        for key, step in status.steps.items()
    )
    return Row(Named.of(status.video.name), tuple(cells))


def missing_needs(pipeline: Pipeline, status: VideoStatus, key: str) -> list[str]:
    """The steps that a step needs and that are not done for a video."""
    needs = [need for need in pipeline[key].needs if need in status.steps]
    return [need for need in needs if status.steps[need].state not in DONE]


def dependents(pipeline: Pipeline, key: str) -> list[str]:
    """The steps that need a step, near or far, in the order of the graph."""
    return [step.key for step in pipeline.steps if key in pipeline.all_needs(step.key)]
