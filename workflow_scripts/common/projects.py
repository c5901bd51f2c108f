"""Projects, their videos, and the names of everything that is written for a video.

A project is a folder with a `docs/` folder in it. A plain folder of videos is a project too: then `docs`
is the folder itself. Stems are kept byte for byte: never trimmed, normalised, globbed or quoted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import projects_folder

#: The one list of video suffixes, compared without regard to case.
VIDEO_SUFFIXES = ("mp4", "mov", "avi", "mkv", "webm", "flv", "wmv", "m4v", "mpg", "mpeg", "ts", "mxf")

#: The longest suffix a delivered file adds to a stem; with it a name must stay within 255 bytes.
LONGEST_ARTIFACT_SUFFIX = "_transcript.json"


def is_video_name(name: str) -> bool:
    """Whether a file name has a video suffix; hidden files have none."""
    return not name.startswith(".") and Path(name).suffix[1:].lower() in VIDEO_SUFFIXES


@dataclass(frozen=True, order=True)
class Project:
    """A folder of videos and of what is found in them."""

    root: Path
    docs: Path

    @classmethod
    def at(cls, folder: Path) -> Project:
        """The project a folder is: laid out with `docs/`, given by its `docs/`, or a plain folder of videos."""
        folder = folder.absolute()
        if (folder / "docs").is_dir():
            return cls(folder, folder / "docs")
        if folder.name == "docs":
            return cls(folder.parent, folder)
        return cls(folder, folder)

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.name

    @property
    def originals(self) -> Path:
        """Where STEP2 keeps what it replaced."""
        return self.root / "originals"

    @property
    def workflow(self) -> Path:
        """Where manifests and measured facts are."""
        return self.root / ".workflow"

    def videos(self) -> list[Video]:
        """The videos directly in `docs/`, ordered by name; one per file, also when stems are equal."""
        if not self.docs.is_dir():
            return []
        names = sorted(p.name for p in self.docs.iterdir() if is_video_name(p.name) and p.is_file())
        return [Video(self, name) for name in names]


@dataclass(frozen=True, order=True)
class Video:
    """One video of a project: the file in `docs/` and the names of its artifacts."""

    project: Project
    name: str

    @property
    def stem(self) -> str:
        """The name without its suffix, byte for byte."""
        return Path(self.name).stem

    @property
    def path(self) -> Path:
        """The video file in `docs/`."""
        return self.project.docs / self.name

    @property
    def root(self) -> Path:
        """The project's folder; paths in manifests are relative to it."""
        return self.project.root

    @property
    def workflow(self) -> Path:
        """`.workflow/<stem>/`: media.json, manifests, failures, data for the viewer."""
        return self.project.workflow / self.stem

    def delivered(self, suffix: str) -> Path:
        """The artifact `docs/<stem><suffix>`, for example `.csv` or `_audio.json`."""
        return self.project.docs / f"{self.stem}{suffix}"

    @property
    def converted(self) -> Video:
        """The same video under the name STEP2 leaves behind: `<stem>.mp4`."""
        return Video(self.project, f"{self.stem}.mp4")


def projects_in(folder: Path) -> list[Project]:
    """The projects directly in a folder (those with `docs/`), ordered by name; hidden folders are not."""
    if not folder.is_dir():
        return []
    found = (p for p in folder.iterdir() if not p.name.startswith(".") and (p / "docs").is_dir())
    return [Project.at(p) for p in sorted(found)]


def find_videos(targets: Iterable[str]) -> list[Video]:
    """The videos that targets name: files, projects (by path or name), folders of projects or of videos.

    Without a target: every video of every project. Each video comes once, in the order it was named.

    Raises:
        UsageError: a target does not exist, or holds no video.
    """
    named = list(targets)
    if not named:
        return [video for project in projects_in(projects_folder()) for video in project.videos()]
    return list(dict.fromkeys(video for target in named for video in _videos_of(target)))


def named_path(name: str) -> Path:
    """What a name on the command line means: the project of that name, else a path, from here or among projects."""
    inside = projects_folder() / name
    is_project = os.sep not in name and name not in (".", "..") and inside.is_dir()
    return inside if is_project or not Path(name).exists() else Path(name)


def _videos_of(target: str) -> list[Video]:
    path = named_path(target)
    if not path.exists():
        raise UsageError(
            f"{target}: there is no such video, project or folder.",
            hint=f"Projects are the folders in {projects_folder()}.",
        )
    if path.is_file():
        if not is_video_name(path.name):
            raise UsageError(f"{target}: not a video; known suffixes are {', '.join(VIDEO_SUFFIXES)}.")
        return [Video(Project.at(path.absolute().parent), path.name)]
    inner = [] if (path / "docs").is_dir() else projects_in(path)
    videos = [v for p in inner for v in p.videos()] if inner else Project.at(path).videos()
    if not videos and not inner and path.absolute() != projects_folder():
        raise UsageError(f"{target}: no video in this folder.")
    return videos
