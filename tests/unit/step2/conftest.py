"""Tiny media files and a STEP2 that runs in this process."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.ffmpeg import find_ffmpeg
from workflow_scripts.common.run import Outcome, StepRun
from workflow_scripts.common.settings import resolve
from workflow_scripts.step2.convert_videos import ConvertVideos


@pytest.fixture
def make_media(tmp_path: Path) -> Callable[..., Path]:
    """`make_media(name, *arguments)` runs ffmpeg with arguments before the name of the file it makes."""

    def make(name: str, *arguments: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [str(find_ffmpeg()), "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
        subprocess.run([*command, f"file:{path}"], check=True)
        return path

    return make


@pytest.fixture
def convert() -> Callable[..., dict[str, Outcome]]:
    """`convert(target, …, **parameters)` runs STEP2 over targets and tells what became of each video."""

    def run(*targets: Path, force: bool = False, **parameters: Any) -> dict[str, Outcome]:
        step = ConvertVideos()
        params = resolve(step.parameters, None, {"encoder": "libx264", "preset": "ultrafast", **parameters})
        steps = StepRun(step, params, ("cpu", "cpu"), logging.getLogger("test"), force=force)
        items = step.find([str(target) for target in targets], params)
        return {item.name: steps.process(steps.plan(item)) for item in items}

    return run
