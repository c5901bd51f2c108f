"""What a form asks for: a run of steps on projects, with options and values of parameters for this run alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from services import asking
from services.foresight import Foreseen, foresee
from services.pipeline import Pipeline
from services.planning import FIRST_STEP, FROM_INBOX, all_projects, plan
from services.runs import RunRequest
from services.summaries import Line
from workflow_scripts.common.devices import DEVICES
from workflow_scripts.common.errors import UsageError

#: How the field of a parameter is named: `value:STEP2:crf`; `switch:…` is one that is yes or no.
VALUE, SWITCH = "value", "switch"
PRIORITIES = range(-100, 101)
#: Step runs that are asked themselves what they would do; each is a process of its own.
MOST_ASKED = 12


@dataclass(frozen=True)
class Forecast:
    """What one step would do: how many videos it would work on, leave as they are, and have to wait for.

    `told` is what the step itself says; None where it was not asked and the figures are of what is known.
    """

    step: str
    to_do: int
    done: int
    waiting: int
    told: Foreseen | None


def run_request(pipeline: Pipeline, fields: Sequence[tuple[str, str]]) -> RunRequest:
    """The request that the fields of a form make, everything in it checked.

    Args:
        pipeline: the graph.
        fields: names and values; `project` may come several times. What is left out or empty is as by default.
            `only` is one step in place of the `sequence`; with `inbox` it is all steps for what the inbox brings.

    Raises:
        UsageError: a value is not allowed, or a step or project is not there.
        PreconditionError: a step whose parameters are set cannot be asked.
    """
    last = dict(fields)
    from_inbox = bool(last.get("inbox"))
    device = last.get("device") or None
    if device is not None and device not in DEVICES:
        raise UsageError(f"There is no device {device}; known are {', '.join(DEVICES)}.")
    request = asking.run_request(
        pipeline,
        "" if from_inbox else last.get("only") or last.get("sequence", "").strip(),
        [value for name, value in fields if name == "project" and not from_inbox],
        force=bool(last.get("force")),
        device=device,
        parameters=_parameters(fields),
        priority=_priority(last.get("priority", "")),
    )
    return replace(request, origin=FROM_INBOX) if from_inbox else request


def forecast(pipeline: Pipeline, request: RunRequest, lines: Sequence[Line]) -> list[Forecast]:
    """What each step of a request would do.

    Where asking the steps would take long it is what is known of the projects, without the values of this run; of
    the inbox nothing is known then.

    Raises:
        UsageError, PreconditionError: as `dry_run`.
    """
    if len(plan(pipeline, request)) <= MOST_ASKED:
        told = foresee(pipeline, request)
        return [Forecast(one.step, len(one.to_do), one.up_to_date, len(one.waiting), one) for one in told]
    names = set(request.projects or all_projects())
    known = [line.summary for line in lines if line.summary is not None and line.summary.name in names]
    found = []
    for key in request.sequence:
        if key != FIRST_STEP:
            total = sum(summary.videos for summary in known)
            done = 0 if request.options.force else sum(summary.steps[key].done for summary in known)
            found.append(Forecast(key, total - done, done, 0, None))
    return found


def _priority(text: str) -> int:
    try:
        number = int(text or "0")
    except ValueError:
        number = PRIORITIES.stop
    if number not in PRIORITIES:
        raise UsageError(f"A priority is a whole number from {PRIORITIES[0]} to {PRIORITIES[-1]}.")
    return number


def _parameters(fields: Sequence[tuple[str, str]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for field, value in fields:
        kind, _, rest = field.partition(":")
        step, colon, name = rest.partition(":")
        if kind in (VALUE, SWITCH) and colon and value != "":
            found.setdefault(step, {})[name] = value == "yes" if kind == SWITCH else _plain(value)
    return found


def _plain(text: str) -> int | float | str:
    """A number where the text is just that, so that it is kept and shown as one."""
    for kind in (int, float):
        try:
            if str(number := kind(text)) == text and math.isfinite(number):
                return number
        except ValueError:
            pass
    return text
