"""A project in the making: a hidden folder that becomes the project by one rename, or disappears."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow_scripts.common.atomic import sync_folder
from workflow_scripts.common.errors import BlockedError
from workflow_scripts.step1.members import folded

PREFIX = ".partial-"
_LOCK = ".step1.lock"


@contextmanager
def only_extraction(projects: Path) -> Iterator[None]:
    """Hold a folder of projects for extraction, and clear away what killed runs left in it.

    The lock goes with the process that holds it, however that ends; so whatever is partial while we hold it
    belongs to nobody.

    Raises:
        BlockedError: another process is extracting.
    """
    projects.mkdir(parents=True, exist_ok=True)
    with (projects / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BlockedError(
                f"Another run of STEP1 is extracting into {projects.name}.", hint="Run again when it has ended."
            ) from error
        for entry in os.scandir(projects):
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
        yield


@contextmanager
def partial_folder(projects: Path) -> Iterator[Path]:
    """A new folder `.partial-<random>` among the projects; it is gone afterwards unless it was renamed."""
    folder = projects / f"{PREFIX}{secrets.token_hex(8)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        if folder.is_dir():
            shutil.rmtree(folder)


def become_project(partial: Path, name: str) -> Path:
    """Give a finished partial folder its name among the projects, durably: `name`, or `name (2)`, ….

    Call it inside `only_extraction`: a name that is free must stay free until the rename.

    Args:
        partial: the folder; its files are on the disk already.
        name: the wished name; a project of the same name, in whatever case or composition, is never touched.
    """
    for folder, _, _ in os.walk(partial, topdown=False):
        sync_folder(Path(folder))
    project = free_path(partial.parent, name)
    partial.rename(project)
    sync_folder(partial.parent)
    return project


def free_path(folder: Path, stem: str, suffix: str = "") -> Path:
    """A path in a folder that no entry has: `<stem><suffix>`, or `<stem> (2)<suffix>` and so on."""
    taken = {folded(entry.name) for entry in folder.iterdir()}
    names = [f"{stem}{suffix}", *(f"{stem} ({n}){suffix}" for n in range(2, len(taken) + 3))]
    return folder / next(name for name in names if folded(name) not in taken)
