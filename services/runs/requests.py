"""What a person asks of a step run; a worker that runs it sees the request and acts on it."""

from __future__ import annotations

import sqlite3

from services.runs.journal import move, update_step
from services.runs.model import Clock, StepRun
from services.runs.rows import moment
from services.states import TransitionError


def cancel_step(connection: sqlite3.Connection, clock: Clock, step: StepRun) -> StepRun:
    """Cancel what is not running at once; ask for the end of what is.

    Raises:
        TransitionError: it has ended.
    """
    if step.state != "running":
        return move(connection, clock, step, "cancelled", {"finished": moment(clock.now())})
    return step if step.cancel_requested else update_step(connection, clock, step.id, {"cancel_requested": 1})


def pause_step(connection: sqlite3.Connection, clock: Clock, step: StepRun) -> StepRun:
    """Ask that a step run pauses; a queued one is not begun.

    Raises:
        TransitionError: it has ended.
    """
    return _hold(connection, clock, step, "paused", True)


def resume_step(connection: sqlite3.Connection, clock: Clock, step: StepRun) -> StepRun:
    """Take the request to pause back.

    Raises:
        TransitionError: it has ended.
    """
    return _hold(connection, clock, step, "resumed", False)


def _hold(connection: sqlite3.Connection, clock: Clock, step: StepRun, word: str, wanted: bool) -> StepRun:
    if not step.active:
        raise TransitionError(str(step), step.state, word)
    if step.pause_requested == wanted:
        return step
    return update_step(connection, clock, step.id, {"pause_requested": int(wanted)})
