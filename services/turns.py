"""Whose turn it is: which step runs may begin, which never will, and who comes first. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.pipeline import Pipeline
from services.runs import StepRun
from services.states import ACTIVE, State

#: How a step run ended from which those that need it can go on.
_GOOD: tuple[State, ...] = ("succeeded", "degraded")


@dataclass(frozen=True)
class Decision:
    """What is to be done with queued step runs: `ready` may begin, `skipped` never will, for the reason given."""

    ready: tuple[StepRun, ...]
    skipped: tuple[tuple[StepRun, str], ...]


def decide(
    pipeline: Pipeline, steps: Sequence[StepRun], due: Collection[int], produced: Callable[[StepRun], bool]
) -> Decision:
    """Which of the queued step runs may begin, and which never will.

    A step waits for those before it in its run, of the same project, that it needs or that need it. What was not
    chosen counts as met. A need that failed and left nothing behind takes with it what needs it; one that failed
    for some videos does not.

    Args:
        pipeline: the graph; step runs of steps that are no longer in it are left alone.
        steps: all step runs of the runs that are not over, by run and position.
        due: the ids of those whose time has come.
        produced: whether a failed step run left something to go on with.
    """
    known = {definition.key for definition in pipeline.steps}
    lost: dict[int, str] = {}
    ready: list[StepRun] = []
    earlier: dict[tuple[int, str | None], list[StepRun]] = {}
    for step in steps:
        before = earlier.setdefault((step.run_id, step.project), [])
        if step.state == "queued" and step.step in known:
            needs = pipeline.all_needs(step.step)
            reasons = [
                reason for one in before if one.step in needs and (reason := _loss(one, lost, produced)) is not None
            ]
            if reasons:
                lost[step.id] = reasons[0]
            elif step.id in due and not any(
                one.state in ACTIVE and pipeline.related(one.step, step.step) for one in before
            ):
                ready.append(step)
        if step.step in known:
            before.append(step)
    return Decision(tuple(ready), tuple((step, lost[step.id]) for step in steps if step.id in lost))


def free(pipeline: Pipeline, step: StepRun, running: Iterable[StepRun]) -> bool:
    """Whether nothing runs, in whatever run, that writes what this step reads or writes, or the other way round."""
    return not any(
        one.project == step.project and one.id != step.id and pipeline.related(one.step, step.step)
        for one in running
    )


class Turns:
    """The order in which step runs get a slot: the larger priority first, then who has waited longest.

    A project that has just been given a slot goes to the end of the line, so that none starves another; within a
    project, and among projects that came together, the order is that of runs and positions. Nothing here reads a
    clock: an order of service cannot be moved.
    """

    def __init__(self) -> None:
        self._place: dict[str | None, int] = {}
        self._next = 0

    def order(self, ready: Sequence[StepRun], priorities: Mapping[int, int]) -> list[StepRun]:
        """The step runs in their turn; `priorities` are those of their runs."""
        newcomers = {step.project for step in ready} - self._place.keys()
        if newcomers:
            self._next += 1
            self._place |= dict.fromkeys(newcomers, self._next)
        return sorted(
            ready,
            key=lambda step: (-priorities[step.run_id], self._place[step.project], step.run_id, step.position),
        )

    def served(self, step: StepRun) -> None:
        """Note that a step run was given a slot."""
        self._next += 1
        self._place[step.project] = self._next


def _loss(step: StepRun, lost: Mapping[int, str], produced: Callable[[StepRun], bool]) -> str | None:
    """Why what needs this step run cannot go on; None where it can, or may still."""
    if step.state in _GOOD or (step.state in ACTIVE and step.id not in lost):
        return None
    if step.state == "failed" and step.exit_code in (2, 3):
        return f"{step.step} could not start."
    if step.state == "failed":
        return None if produced(step) else f"{step.step} failed and left nothing to go on with."
    if step.state in ("cancelled", "interrupted"):
        return None if step.state == "interrupted" and produced(step) else f"{step.step} was {step.state}."
    return lost.get(step.id) or step.reason or f"{step.step} was not begun."
