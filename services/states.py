"""The states of a run and of its step runs, and how one may follow another: the one place that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from workflow_scripts.common.errors import WorkflowError

State = Literal["queued", "running", "succeeded", "degraded", "failed", "cancelled", "interrupted", "skipped"]

#: What may follow each state of a step run. `skipped`: something it needs failed. `interrupted`: its process was
#: lost with the machine or the worker; that and what was skipped may be taken up again within the same run.
#: What failed for good is done again by a new run.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    "queued": frozenset({"running", "cancelled", "skipped"}),
    "running": frozenset({"succeeded", "degraded", "failed", "cancelled", "interrupted", "queued"}),
    "interrupted": frozenset({"queued", "cancelled"}),
    "skipped": frozenset({"queued"}),
    "succeeded": frozenset(),
    "degraded": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}
#: States in which there is still something to do.
ACTIVE: tuple[State, ...] = ("queued", "running")
#: States in which there is nothing left to do, for now.
ENDED: tuple[State, ...] = tuple(state for state in TRANSITIONS if state not in ACTIVE)
#: How a run ended that has such a step, from the gravest down; a run is never `skipped` itself.
_GRAVITY: Mapping[State, State] = {
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "failed": "failed",
    "skipped": "failed",
    "degraded": "degraded",
}


class TransitionError(WorkflowError):
    """Raised when a run or a step run is asked to go from a state to one that cannot follow it."""

    def __init__(self, what: str, before: str, after: str) -> None:
        super().__init__(f"{what} is {before} and cannot be {after}.")
        self.before = before
        self.after = after


def check_transition(what: str, before: State, after: State) -> None:
    """Let a change of state pass.

    Raises:
        TransitionError: `after` cannot follow `before`; names both and what was to change.
    """
    if after not in TRANSITIONS[before]:
        raise TransitionError(what, before, after)


def run_state(states: Iterable[State]) -> State:
    """The state of a run whose step runs have these states; with none at all there is nothing to do: succeeded.

    A run of which a part has ended and the rest waits is running; one of which nothing has begun is queued.
    """
    found = set(states)
    if "running" in found:
        return "running"
    if "queued" in found:
        return "queued" if found == {"queued"} else "running"
    return next((ended for state, ended in _GRAVITY.items() if state in found), "succeeded")
