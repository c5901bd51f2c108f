"""Which environment runs which tests, and what all tests share.

Tests lie in folders that mirror the code; no folder is a package, for an installed one is called `tests` too.
A `conftest.py` must be importable in every environment.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from workflow_scripts.common import gpu_leaks
from workflow_scripts.common.manifest import FileRecord, Manifest
from workflow_scripts.common.media_info import Colour, MediaInfo, write_media
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.speech_models import folder_of, is_embedded

TESTS = Path(__file__).parent
#: The folders and files whose tests need the libraries of another environment than `env`.
ENVIRONMENTS = {
    TESTS / "unit" / "step3": "transnet_env",
    TESTS / "unit" / "test_step3_transnet.py": "transnet_env",
    TESTS / "integration" / "test_step3_integration.py": "transnet_env",
    TESTS / "unit" / "step4": "audio_env",
    TESTS / "audio": "audio_env",
}
HERE = Path(sys.prefix).name

# The machine may be busy: a slow example is no fault of the code.
settings.register_profile(
    "shared machine", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared machine")


def has_tests_for_here(path: Path) -> bool:
    """Whether a file or folder holds tests that run in this environment."""
    owner = next((name for folder, name in ENVIRONMENTS.items() if path.is_relative_to(folder)), "env")
    inside = {name for folder, name in ENVIRONMENTS.items() if folder.is_relative_to(path)}
    here = HERE if HERE in ENVIRONMENTS.values() else "env"
    return here == owner or here in inside


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what was named on the command line and belongs to another environment."""
    folder = config.invocation_params.dir
    config.args = [arg for arg in config.args if has_tests_for_here((folder / arg.partition("::")[0]).resolve())]


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files and folders of other environments."""
    return None if has_tests_for_here(collection_path) else True


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, and no setting from outside that decides where things go.

    No speech model is there, not even the one that comes with audio_env; a test that wants it asks for
    `embedded_model`.
    """
    for name in list(os.environ):
        if name == "OUTPUT_DIR" or (name.startswith("WORKFLOW_") and name != "WORKFLOW_FFMPEG"):
            monkeypatch.delenv(name)
    folder = tmp_path / "data"
    monkeypatch.setenv("WORKFLOW_DATA_DIR", str(folder))
    monkeypatch.setenv("WORKFLOW_GPU_LOCKS", str(tmp_path / "gpu locks"))
    monkeypatch.setenv("WORKFLOW_EMBEDDED_MODELS", str(tmp_path / "no models"))
    return folder


@pytest.fixture
def embedded_model(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the speech model that comes with audio_env, which this test sees; skips where there is none."""
    monkeypatch.delenv("WORKFLOW_EMBEDDED_MODELS")
    if not is_embedded("base"):
        pytest.skip("the speech model base is not in audio_env")
    return folder_of("base")


@pytest.fixture(autouse=True)
def closed_logs() -> Iterator[None]:
    """Close the log files that a step opened in this process."""
    yield
    logger = logging.getLogger("workflow")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@pytest.fixture
def gpu_left_as_found() -> Iterator[None]:
    """Fail the test where it leaves GPU memory taken or another default device; for tests that compute on a GPU."""
    with gpu_leaks.gpu_left_as_found():
        yield


MakeConverted = Callable[..., Video]


@pytest.fixture
def make_converted(data_folder: Path) -> MakeConverted:
    """`make_converted(project, name, frames=50, fps=25)`: a video as STEP2 leaves it, its picture made up."""

    def make(project: str, name: str, frames: int = 50, fps: Fraction = Fraction(25)) -> Video:
        video = Video(Project(folder := data_folder / "projets_extraits" / project, folder / "docs"), name)
        video.path.parent.mkdir(parents=True, exist_ok=True)
        video.path.write_bytes(f"the picture of {name}".encode())
        write_media(video.workflow / "media.json", media_info(video, frames, fps))
        finish(video, "STEP2", {"video": video.path})
        return video

    return make


@pytest.fixture
def make_film(data_folder: Path) -> MakeConverted:
    """`make_film(project, name, 30, 45, …)`: a real video of shots of so many frames, as STEP2 leaves it.

    The shots are by turns dark and bright, `bright` says which is first; in each, soft waves move sideways.
    """

    def make(project: str, name: str, *lengths: int, bright: bool = False) -> Video:
        from workflow_scripts.common.media import probe  # not everywhere is PyAV

        video = Video(Project(folder := data_folder / "projets_extraits" / project, folder / "docs"), name)
        video.path.parent.mkdir(parents=True, exist_ok=True)
        write_film(video.path, lengths, bright)
        write_media(video.workflow / "media.json", probe(video.path))
        finish(video, "STEP2", {"video": video.path})
        return video

    return make


def write_film(path: Path, lengths: Sequence[int], bright: bool) -> None:
    """Encode shots of waves, 96x54, at 25 frames a second."""
    import av
    import numpy as np

    y, x = np.mgrid[0:54, 0:96] / 15
    with av.open(f"file:{path}", "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 96, 54, "yuv420p"
        stream.options = {"crf": "12", "preset": "ultrafast"}
        for number, length in enumerate(lengths):
            level = 185 if bright ^ (number % 2 == 1) else 70
            for index in range(length):
                waves = [np.sin(x + k * (y + number) + index / 30 + number) for k in (-1, 0.3 * number, 2)]
                picture = (level + 55 * np.stack(waves, -1)).clip(0, 255).astype(np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


Finish = Callable[..., None]


@pytest.fixture(name="finish")
def finish_fixture() -> Finish:
    """`finish(video, step, outputs, **fields)` writes the manifest of a step that has finished."""
    return finish


def finish(video: Video, step: str, outputs: dict[str, Path], **fields: object) -> None:
    """Write the manifest that a finished step leaves."""
    values: dict[str, object] = {
        "step": step,
        "version": "1",
        "state": "succeeded",
        "inputs": {},
        "outputs": {role: FileRecord.of(path, video.root) for role, path in outputs.items()},
        "parameters": {},
        "fingerprint": {},
        "models": (),
        "device_asked": "cpu",
        "device_used": "cpu",
        "fallbacks": (),
        "counts": {},
        "gates": (),
        "warnings": (),
        "started": "2026-01-01T00:00:00.000+00:00",
        "finished": "2026-01-01T00:00:01.000+00:00",
        "seconds": {"total": 1.0},
        **fields,
    }
    Manifest(**values).write(video.workflow / f"{step}.json")  # type: ignore[arg-type]


def media_info(video: Video, frames: int, fps: Fraction) -> MediaInfo:
    """Measurements of a converted video of 640x360 without sound."""
    return MediaInfo(
        name=video.name,
        size=video.path.stat().st_size,
        sha256=hashlib.sha256(video.path.read_bytes()).hexdigest(),
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec="h264",
        pix_fmt="yuv420p",
        bit_depth=8,
        video_index=0,
        video_streams=1,
        cover_pictures=0,
        width=640,
        height=360,
        display_width=640,
        display_height=360,
        rotation=0,
        mirrored=False,
        pixel_aspect=Fraction(1),
        interlaced=False,
        colour=Colour("tv", "bt709", "bt709", "bt709"),
        fps=fps,
        variable_frame_rate=False,
        frames=frames,
        start=Fraction(0),
        duration=frames / fps,
        last_picture=1 / fps,
        jumps=0,
        decode_errors=0,
        container_start=Fraction(0),
        declared_duration=frames / fps,
        audio=(),
    )
