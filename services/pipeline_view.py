"""The steps as people follow them: what each is at work on, what waits, how all videos stand in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.names import Named
from services.pipeline import Pipeline, StepDefinition
from services.planning import DEVICE_SLOT, FIRST_STEP, project_folder
from services.run_lines import Warned
from services.run_view import project_link, shown_state
from services.runs import StepRun, VideoState
from services.summaries import Line
from workflow_scripts.common.projects import Project

#: States of a video in a step run while the step is not done with it.
_NOT_DONE = ("running",)
#: Step runs of one step that are shown at once.
SHOWN = 4


@dataclass(frozen=True)
class Work:
    """A step run that is at work.

    Args:
        step: the step run; its progress is within one video.
        state: how it stands, a pause or standstill included.
        project: of which project, None for the inbox; `link` is the key of its page, if it has one.
        done: videos it is done with; `total` is how many there are, None where that is not known.
        fell_back: whether it computes on the CPU though a GPU was asked for or tried.
        warned: what it has warned of.
    """

    step: StepRun
    state: str
    project: Named | None
    link: str | None
    done: int
    total: int | None
    fell_back: bool
    warned: Warned


@dataclass(frozen=True)
class StepCard:
    """One step: what is at work, how many step runs wait, and all videos of all projects by state.

    Args:
        definition: the step.
        works: step runs at work, at most `SHOWN`; `running` counts all of them.
        waiting: queued ones; `held` counts those of them that are to pause.
        counts: videos by state, of the projects whose summary is known.
        on_cpu: videos whose result fell back to the CPU; `warnings`: whose result carries warnings.
    """

    definition: StepDefinition
    works: tuple[Work, ...]
    running: int
    waiting: int
    held: int
    counts: Mapping[str, int]
    on_cpu: int
    warnings: int

    @property
    def state(self) -> str:
        """What the card says at first sight; empty where nothing is at work or waits."""
        if self.works:
            states = [work.state for work in self.works]
            return next((state for state in ("stalled", "running") if state in states), states[0])
        if self.waiting:
            return "paused" if self.held == self.waiting else "queued"
        return ""


def step_cards(
    pipeline: Pipeline,
    lines: Sequence[Line],
    active: Iterable[StepRun],
    devices: Mapping[int, str | None],
    videos: Callable[[int], Sequence[VideoState]],
    warned: Mapping[int, Warned],
) -> list[StepCard]:
    """The steps in their order.

    Args:
        pipeline: the graph.
        lines: the projects with what is known of them.
        active: the step runs of the runs that are not over.
        devices: the device that was asked for, by run.
        videos: the videos of a step run.
        warned: the warnings of step runs at work.
    """
    by_step: dict[str, list[StepRun]] = {}
    for step in active:
        if step.active:
            by_step.setdefault(step.step, []).append(step)
    cards = []
    for definition in pipeline.steps:
        steps = by_step.get(definition.key, [])
        running = [step for step in steps if step.state == "running"]
        figures = [
            line.summary.steps[definition.key]
            for line in lines
            if line.summary is not None and definition.key in line.summary.steps
        ]
        cards.append(
            StepCard(
                definition=definition,
                works=tuple(
                    _work(
                        definition, step, devices.get(step.run_id), videos(step.id), warned.get(step.id, Warned())
                    )
                    for step in running[:SHOWN]
                ),
                running=len(running),
                waiting=len(steps) - len(running),
                held=sum(step.pause_requested for step in steps if step.state == "queued"),
                counts=sum((Counter(one.counts) for one in figures), Counter()),
                on_cpu=sum(one.on_cpu for one in figures),
                warnings=sum(one.warnings for one in figures),
            )
        )
    return cards


def at_work_on(active: Iterable[StepRun]) -> dict[str, StepRun]:
    """The step run that is at work on each project, by the project's name; else the first that waits."""
    found: dict[str, StepRun] = {}
    for step in active:
        if step.active and step.project is not None:
            before = found.get(step.project)
            if before is None or (before.state != "running" and step.state == "running"):
                found[step.project] = step
    return found


def line_state(line: Line, at_work: StepRun | None) -> str:
    """How a project stands: what is at work on it, else its worst video; empty where that is not known yet."""
    if at_work is not None:
        return shown_state(at_work)
    return line.summary.state if line.summary is not None else ""


def _work(
    definition: StepDefinition, step: StepRun, asked: str | None, videos: Sequence[VideoState], warned: Warned
) -> Work:
    done = sum(video.state not in _NOT_DONE for video in videos)
    return Work(
        step=step,
        state=shown_state(step),
        project=None if step.project is None else Named.of(step.project),
        link=project_link(step.project),
        done=done,
        total=_total(step, len(videos)),
        fell_back=definition.slot == DEVICE_SLOT and _fell_back(step, asked, warned),
        warned=warned,
    )


def _total(step: StepRun, seen: int) -> int | None:
    if step.step == FIRST_STEP or step.project is None:
        return None
    return max(seen, len({video.stem for video in Project.at(project_folder(step.project)).videos()}))


def _fell_back(step: StepRun, asked: str | None, warned: Warned) -> bool:
    """Whether it computes on the CPU though a GPU was asked for, or though it began on one."""
    if step.device == "cpu":
        return asked == "cuda"
    return warned.on_cpu
