"""Projects, videos and files by the keys that people's programs use, never outside the project they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.names import key_of, name_of
from services.status import VideoStatus, project_status
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import Project

#: The folders of a project whose files may be read.
FOLDERS = ("docs", "exports", "originals", ".workflow")


class UnknownName(UsageError):
    """Raised when there is no project, video or file of that name."""


@dataclass(frozen=True)
class Artifact:
    """A file that a step, or an export, has left in a project.

    `path` is relative to the project, `size` in bytes; `role` is what the step calls it, `video` the video's name.
    """

    path: Path
    size: int
    modified: datetime
    step: str
    role: str
    video: str

    @property
    def key(self) -> str:
        """What it is addressed by within its project."""
        return "/".join(map(key_of, self.path.parts))


def find_project(key: str) -> Project:
    """The project of a key or a plain name.

    Raises:
        UnknownName: there is none.
    """
    name = name_of(key)
    if name is not None and not name.startswith("."):
        folder = projects_folder() / name
        if (folder / "docs").is_dir():
            return Project.at(folder)
    raise UnknownName("There is no such project.", hint="GET /api/projects lists all of them.")


def find_video(project: Project, key: str, steps: Sequence[str]) -> VideoStatus:
    """A video of a project with its status in steps, by the key of its file or of the one STEP2 makes of it.

    Raises:
        UnknownName: there is none.
    """
    name = name_of(key)
    for status in project_status(project, steps):
        if status.video.name == name or status.video.converted.name == name:
            return status
    raise UnknownName("There is no such video in this project.")


def find_file(project: Project, key: str) -> Path:
    """A file of a project, by the keys of its folders and its name with `/` between. Links must lead inside.

    Raises:
        UnknownName: there is none, it is no plain file, or it lies outside the project.
    """
    names = [name_of(part) for part in key.split("/")]
    inside = [name for name in names if name is not None]
    if len(inside) == len(names) and inside[0] in FOLDERS:
        try:
            path = project.root.joinpath(*inside).resolve(strict=True)
            if path.is_relative_to(project.root.resolve()) and path.is_file():
                return path
        except (OSError, RuntimeError):  # not there, a name too long, links in a circle
            pass
    raise UnknownName("There is no such file in this project.")


def artifacts(project: Project, steps: Sequence[str]) -> list[Artifact]:
    """What the steps left in a project, as their manifests tell, then its exports; only what is still there."""
    found = {a.path: a for status in project_status(project, steps) for a in _of_video(project, status)}
    exports = project.root / "exports"
    for path in sorted(exports.iterdir()) if exports.is_dir() else ():
        found |= {a.path: a for a in _artifact(project, path, "export", path.suffix[1:], "")}
    return list(found.values())


def _of_video(project: Project, status: VideoStatus) -> Iterator[Artifact]:
    for step, state in status.steps.items():
        outputs = state.manifest.outputs if state.manifest else {}
        for role, record in outputs.items():
            yield from _artifact(project, record.located(project.root), step, role, status.video.name)


def _artifact(project: Project, path: Path, step: str, role: str, video: str) -> Iterator[Artifact]:
    if not path.is_relative_to(project.root) or not path.is_file():
        return
    stat = path.stat()
    modified = datetime.fromtimestamp(stat.st_mtime, UTC)
    yield Artifact(path.relative_to(project.root), stat.st_size, modified, step, role, video)
