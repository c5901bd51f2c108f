"""What waits for what: a step that only comes after another, and one that needs it."""

from __future__ import annotations

from typing import Any

import pytest

from services.pipeline import Pipeline, load_pipeline
from services.runs import StepRun
from services.turns import decide, free


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph: STEP4B comes after STEP4 and before STEP7, and needs neither."""
    return load_pipeline()


def step_run(number: int, key: str, state: str = "queued", **fields: Any) -> StepRun:
    """A step run of run 1 for project P."""
    values: dict[str, Any] = dict.fromkeys(StepRun.__dataclass_fields__)
    values |= {"id": number, "run_id": 1, "step": key, "project": "P", "position": number, "state": state}
    return StepRun(**{**values, "reason": "", **fields})


def turns(pipeline: Pipeline, *steps: StepRun) -> tuple[list[str], list[str]]:
    """The keys of those that may begin, and of those that never will."""
    found = decide(pipeline, steps, {step.id for step in steps}, lambda _step: False)
    return [step.step for step in found.ready], [step.step for step, _ in found.skipped]


def test_a_step_waits_for_the_one_it_comes_after(pipeline: Pipeline) -> None:
    assert turns(pipeline, step_run(1, "STEP4"), step_run(2, "STEP4B")) == (["STEP4"], [])
    running = step_run(1, "STEP4", "running")
    assert turns(pipeline, running, step_run(2, "STEP4B")) == ([], [])
    assert not free(pipeline, step_run(2, "STEP4B"), [running])
    assert turns(pipeline, step_run(1, "STEP4", "succeeded"), step_run(2, "STEP4B")) == (["STEP4B"], [])


@pytest.mark.parametrize("state", ["failed", "skipped", "cancelled"])
def test_whether_that_one_succeeds_does_not_matter(pipeline: Pipeline, state: str) -> None:
    lost = step_run(1, "STEP4", state, exit_code=1)
    assert turns(pipeline, lost, step_run(2, "STEP4B"), step_run(3, "STEP5")) == (["STEP4B"], ["STEP5"])


def test_delivery_waits_for_the_transcript_and_goes_on_without_it(pipeline: Pipeline) -> None:
    done = step_run(1, "STEP6", "succeeded")
    assert turns(pipeline, done, step_run(2, "STEP4B", "running"), step_run(3, "STEP7")) == ([], [])
    failed = step_run(2, "STEP4B", "failed", exit_code=3)
    assert turns(pipeline, done, failed, step_run(3, "STEP7")) == (["STEP7"], [])


def test_faces_are_tracked_while_words_are_recognised(pipeline: Pipeline) -> None:
    waiting = [step_run(2, "STEP4B", "running"), step_run(3, "STEP5")]
    assert turns(pipeline, step_run(1, "STEP4", "succeeded"), *waiting) == (["STEP5"], [])
