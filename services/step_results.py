"""What the end of a step's process means for its step run: its state, and whether another try can help."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from services.pipeline import StepDefinition
from services.planning import project_folder
from services.runs import StepRun, VideoState
from services.states import State
from services.supervision.step_outcomes import Ended
from workflow_scripts.common.errors import ArtifactError, PreconditionError, UsageError
from workflow_scripts.common.projects import Project
from workflow_scripts.common.run import read_failure

#: How videos stand of which something can be made.
GOOD = ("succeeded", "degraded", "up to date")
#: How often at most a step run is begun anew whose process went without anybody writing down how.
LOST_AT_MOST = 4
#: Seconds until then: after a signal from outside not at once, for the machine may be shutting down.
_AFTER_LOSS_S = {True: 0.0, False: 5.0}


def state_of(ended: Ended, videos: Sequence[VideoState]) -> State:
    """The state of a step run whose process ended so, for good."""
    if ended.exit_code == 0:
        return (
            "degraded" if any(video.state in ("degraded", "failed", "blocked") for video in videos) else "succeeded"
        )
    return "cancelled" if ended.stopped == "cancelled" else "failed"


def retry_delay(
    definition: StepDefinition, step: StepRun, ended: Ended, videos: Sequence[VideoState]
) -> float | None:
    """Seconds after which to try again; None where it has been tried often enough or that cannot help.

    Never tried again: what somebody cancelled, what took too long, a wrong option, a missing precondition, and
    videos whose own errors say that nothing will change.
    """
    if ended.died or ended.stopped == "signal":
        return _AFTER_LOSS_S[ended.died] if step.attempt < LOST_AT_MOST else None
    hopeless = (0, UsageError.exit_code, PreconditionError.exit_code)
    if step.attempt > len(definition.retry_after_s) or ended.exit_code in hopeless:
        return None
    if ended.stopped in ("cancelled", "timeout"):
        return None
    if ended.exit_code == 1 and videos and not _some_may_succeed(step, videos):
        return None
    return definition.retry_after_s[step.attempt - 1]


def _some_may_succeed(step: StepRun, videos: Sequence[VideoState]) -> bool:
    """Whether the record of a failed video says that another try can help."""
    if step.project is None:
        return False
    workflow = Project.at(project_folder(step.project)).workflow
    failed = [Path(video.video).stem for video in videos if video.state == "failed"]
    return any(_may_succeed(workflow / stem, step.step) for stem in failed)


def _may_succeed(workflow: Path, key: str) -> bool:
    try:
        return bool((read_failure(workflow, key) or {}).get("retry"))
    except ArtifactError:
        return False
