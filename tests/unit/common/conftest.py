"""Tiny media files for the tests of this folder, made by ffmpeg."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_scripts.common.ffmpeg import find_ffmpeg

MakeMedia = Callable[..., Path]


@pytest.fixture
def make_media(tmp_path: Path) -> MakeMedia:
    """`make_media(name, *arguments)` runs ffmpeg with arguments before the name of the file it makes."""

    def make(name: str, *arguments: str) -> Path:
        path = tmp_path / name
        command = [str(find_ffmpeg()), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
        subprocess.run([*command, f"file:{path}"], check=True)
        return path

    return make
