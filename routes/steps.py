"""The graph of steps."""

from __future__ import annotations

from apiflask import APIBlueprint

from routes.context import context
from routes.models.system import StepList, StepOut

blueprint = APIBlueprint("steps", __name__, url_prefix="/api/steps")


@blueprint.get("")
@blueprint.output(StepList)
def list_steps() -> StepList:
    """The steps, what each needs, and where it runs."""
    return StepList(
        steps=[
            StepOut(
                key=step.key,
                number=step.number,
                title=step.title,
                needs=list(step.needs),
                environment=step.environment,
                slot=step.slot,
                figures=list(step.figures),
            )
            for step in context().pipeline.steps
        ]
    )
