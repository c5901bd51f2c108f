"""What steps print, by offset."""

from __future__ import annotations

from pathlib import Path

from apiflask import APIBlueprint

from routes.context import context
from routes.models.events import LogAsked, LogOut
from services.projects import UnknownName
from services.supervision.step_logs import read_end, read_log
from services.web.shown_log import shown
from workflow_scripts.common.paths import data_folder

blueprint = APIBlueprint("logs", __name__, url_prefix="/api/steps", tag="Steps")


@blueprint.get("/<int:step_run>/log")
@blueprint.input(LogAsked, location="query")
@blueprint.output(LogOut)
def read_step_log(step_run: int, query_data: LogAsked) -> LogOut:
    """Part of the log of a step run, without colours; ask again from `next` to follow it."""
    path = _confined(context().runs.steps.get(step_run).log_path)
    part = read_end(path, query_data.size) if query_data.end else read_log(path, query_data.offset, query_data.size)
    return LogOut(text=shown(part.text), offset=part.offset, next=part.next_offset, left_out=part.left_out)


def _confined(log: str | None) -> Path:
    """The file of a log, inside the data folder.

    Raises:
        UnknownName: there is none, or it lies elsewhere.
    """
    if log is not None:
        path = Path(log).resolve()
        if path.is_relative_to(data_folder()) and path.is_file():
            return path
    raise UnknownName(
        "This step run has no log.", hint="It has none until it starts, and none once that is cleared."
    )
