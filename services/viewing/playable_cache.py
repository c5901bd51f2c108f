"""Where what is made of a video for looking at it is kept, and how files of any name are handed to decoders."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_scripts.common.paths import data_folder

if TYPE_CHECKING:
    from services.viewing.playable import Film

#: Folders of one version of a video's content, so that those of others can be thrown away.
_PREFIX = "media-"
#: Videos whose pictures and sound are kept outside of their projects.
_ELSEWHERE = 50


def cache_folder(film: Film) -> Path:
    """The folder for what is made of a video, there: `.workflow/<stem>/viewer/media-<version>/`.

    What was made of a former content of the video is removed when the folder is new. Where the project cannot be
    written it is a folder in the data folder's `.viewer-cache/`, which holds those of the newest fifty videos.

    Raises:
        OSError: neither can be made.
    """
    viewer = film.video.workflow / "viewer"
    folder = viewer / (_PREFIX + film.version)
    try:
        _begin(folder, keep=1)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:  # read-only, or something else is in the way
        pass
    name = hashlib.sha256(os.fsencode(film.video.path) + film.version.encode()).hexdigest()[:32]
    folder = data_folder() / ".viewer-cache" / (_PREFIX + name)
    _begin(folder, keep=_ELSEWHERE)
    return folder


def _begin(folder: Path, keep: int) -> None:
    """Make a folder unless it is there; of its likes beside it only the newest stay."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    others = [path for path in folder.parent.glob(f"{_PREFIX}*") if path != folder]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in others[keep - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """A path to a file or folder that decoders take: itself, or a link to it where its name is no UTF-8."""
    if is_utf_8(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="viewing-") as folder:
        link = Path(folder) / f"link{path.suffix if is_utf_8(Path(path.suffix)) else ''}"
        link.symlink_to(path.absolute())
        yield link


def is_utf_8(path: Path) -> bool:
    """Whether a path is text in UTF-8."""
    try:
        os.fsencode(path).decode()
    except UnicodeDecodeError:
        return False
    return True
