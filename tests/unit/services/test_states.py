"""Which state may follow which, and what a run's state is."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from services.states import ACTIVE, ENDED, TRANSITIONS, State, TransitionError, check_transition, run_state

STATES: tuple[State, ...] = get_args(State)


def test_every_state_says_what_may_follow_it() -> None:
    assert set(TRANSITIONS) == set(STATES) == {*ACTIVE, *ENDED}
    assert all(after <= set(STATES) for after in TRANSITIONS.values())


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_an_impossible_transition_names_both_states(before: State, after: State) -> None:
    if after in TRANSITIONS[before]:
        check_transition("STEP3", before, after)
        return
    with pytest.raises(TransitionError, match=f"^STEP3 is {before} and cannot be {after}\\.$"):
        check_transition("STEP3", before, after)


def test_what_is_done_or_failed_or_cancelled_stays_so() -> None:
    assert all(not TRANSITIONS[state] for state in ("succeeded", "degraded", "failed", "cancelled"))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "succeeded"),
        (["queued", "queued"], "queued"),
        (["succeeded", "queued"], "running"),
        (["failed", "running", "queued"], "running"),
        (["succeeded", "succeeded"], "succeeded"),
        (["succeeded", "degraded"], "degraded"),
        (["degraded", "failed", "succeeded"], "failed"),
        (["succeeded", "skipped"], "failed"),
        (["failed", "skipped", "interrupted"], "interrupted"),
        (["failed", "interrupted", "cancelled"], "cancelled"),
    ],
)
def test_the_state_of_a_run_follows_from_its_steps(states: list[State], expected: State) -> None:
    assert run_state(states) == expected
    assert run_state(reversed(states)) == expected
