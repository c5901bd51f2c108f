"""How the steps of a run ended, and the exit status that makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.pipeline import Pipeline, StepDefinition
from services.runs import RunDetail, StepRun

#: Exit statuses from the gravest down: the run's is the gravest of its steps'.
_GRAVITY = (130, 2, 3, 1, 0)
NOTHING = "nothing to work on"


@dataclass(frozen=True)
class StepReport:
    """How one step of a run ended for one project; `exit_code` None was not started, `reason` says why."""

    step: StepDefinition
    exit_code: int | None
    seconds: float
    reason: str = ""
    project: str | None = None


def exit_code(reports: Sequence[StepReport]) -> int:
    """The gravest exit status among steps; a step that was not started counts through the one it needed."""
    codes = {report.exit_code for report in reports if report.exit_code is not None}
    known = {code if code in _GRAVITY else 1 for code in codes}
    return next((code for code in _GRAVITY if code in known), 0)


def reports_of(pipeline: Pipeline, detail: RunDetail) -> list[StepReport]:
    """How each step of a run stands; those that found no project are there too."""
    found = [_report(pipeline[step.step], step) for step in detail.steps]
    done = {report.step.key for report in found}
    left = [key for key in detail.run.request.sequence if key not in done]
    return [*found, *(StepReport(pipeline[key], 0, 0.0, NOTHING) for key in left)]


def _report(definition: StepDefinition, step: StepRun) -> StepReport:
    code = step.exit_code
    if step.state == "cancelled":
        code = 130
    elif step.state == "skipped":
        code = None
    elif code is None:
        code = 0 if step.state in ("succeeded", "degraded") else 1
    reason = "cancelled" if step.state == "cancelled" else step.reason
    return StepReport(definition, code, step.seconds or 0.0, reason, step.project)
