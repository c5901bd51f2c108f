"""What a run would do, counted, so that nobody starts more than they meant to; and what would be delivered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.configuration import step_settings
from services.names import Named
from services.pipeline import Pipeline
from services.planning import WouldDo, dry_run
from services.runs import RunRequest
from services.status import VideoStatus
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import output_folder
from workflow_scripts.common.projects import Project

#: The step that delivers, and what it leaves out unless it is told otherwise.
DELIVERY = "STEP7"
_RAW_TRACKING = ("STEP5", "tracking")
_UP_TO_DATE = "up to date"


@dataclass(frozen=True)
class Foreseen:
    """What one step would do: the videos it would work on and why, those it leaves as they are, those that wait."""

    step: str
    to_do: tuple[tuple[Named, str], ...]
    up_to_date: int
    waiting: tuple[tuple[Named, str], ...]


@dataclass(frozen=True)
class Delivery:
    """Where a project is delivered to, what says so, and the files (bytes) that its videos have for it now."""

    folder: Path
    origin: str
    files: int
    size: int
    kinds: tuple[str, ...]
    foreseen: Foreseen


def foresee(pipeline: Pipeline, request: RunRequest) -> list[Foreseen]:
    """What each step of a request would do, as the steps themselves say; in the order of the request.

    A step that needs another one of the same request does not know yet what that will leave: its videos wait.

    Raises:
        UsageError, PreconditionError: as `dry_run`.
    """
    return count(request.sequence, dry_run(pipeline, request))


def count(sequence: Sequence[str], rows: Iterable[WouldDo]) -> list[Foreseen]:
    """The answers of steps, put together by step."""
    found = list(rows)
    return [_foreseen(key, [row for row in found if row.step == key]) for key in sequence]


def delivery(pipeline: Pipeline, project: Project, statuses: Sequence[VideoStatus]) -> Delivery:
    """What the delivery of a project would deliver, and where to.

    Raises:
        UsageError, PreconditionError: as `dry_run`.
    """
    settings = {found.name: found for found in step_settings(pipeline[DELIVERY])}
    target = settings["output_dir"]
    folder = Path(target.value) if target.value else output_folder()
    files = dict(_files(statuses, raw=bool(settings["deliver_raw"].value)))
    (foreseen,) = foresee(pipeline, RunRequest((DELIVERY,), (project.name,)))
    kinds = sorted({kind for kind, _ in files.values()})
    size = sum(size for _, size in files.values())
    return Delivery(folder / project.name / "docs", target.origin, len(files), size, tuple(kinds), foreseen)


def _foreseen(key: str, rows: Sequence[WouldDo]) -> Foreseen:
    to_do, waiting = [], []
    for row in rows:
        shown = Named.of(row.video)
        about = f"{row.video}: "
        if row.reason.startswith((about, f"{shown.name}: ")):  # what stands in the way is a sentence about it
            waiting.append((shown, printable(row.reason.removeprefix(about).removeprefix(f"{shown.name}: "))))
        elif row.reason != _UP_TO_DATE:
            to_do.append((shown, printable(row.reason)))
    return Foreseen(key, tuple(to_do), len(rows) - len(to_do) - len(waiting), tuple(waiting))


def _files(statuses: Sequence[VideoStatus], raw: bool) -> Iterable[tuple[Path, tuple[str, int]]]:
    """The files beside the videos that finished steps left: what each is called after the stem, and its size."""
    for status in statuses:
        video = status.video.converted
        for key, step in status.steps.items():
            for role, record in (step.manifest.outputs if step.manifest and key != DELIVERY else {}).items():
                path = record.located(video.root)
                if (raw or (key, role) != _RAW_TRACKING) and path.parent == video.project.docs and path.is_file():
                    yield path, (printable(path.name.removeprefix(video.stem)), path.stat().st_size)
