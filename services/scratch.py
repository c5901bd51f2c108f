"""Folders that demonstrations and measurements make for themselves."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from workflow_scripts.common.errors import UsageError

_MARKER = ".made-by-video-workflow"


def use_scratch(folder: Path) -> Path:
    """Empty a folder and make it the data folder of everything that runs from here on.

    Raises:
        UsageError: the folder holds something that no earlier call put there.
    """
    folder = folder.absolute()
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARKER).exists():
        raise UsageError(f"{folder}: this folder holds other things.", hint="Name one that is new or empty.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _MARKER).touch()
    os.environ["WORKFLOW_DATA_DIR"] = str(folder)
    os.environ.pop("OUTPUT_DIR", None)
    return folder
