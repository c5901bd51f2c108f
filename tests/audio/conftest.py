"""Engines as they are loaded for real, and sounds that are hard for half precision."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

BUILDER = Path(__file__).parents[1] / "unit" / "step4" / "tiny_pipeline.py"


@pytest.fixture(scope="session")
def sample() -> NDArray[np.float32]:
    """30 s of two people on the telephone, 16 kHz, inside pyannote's wheel."""
    import pyannote
    import soundfile

    folder = next(Path(folder) / "audio" / "sample" for folder in pyannote.__path__)
    waveform, rate = soundfile.read(folder / "sample.wav", dtype="float32")
    assert rate == 16000
    return waveform


@pytest.fixture(scope="session")
def quiet(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same at a hundredth of its level: half precision loses most of it."""
    return np.asarray(sample / 100, np.float32)


@pytest.fixture(scope="session")
def trained_weights() -> Path:
    """Those of the segmentation network that setup installs."""
    from workflow_scripts.step4.model_files import segmentation_file

    path = segmentation_file().path
    if not path.is_file():
        pytest.skip("the segmentation network is not installed")
    return path


@pytest.fixture(scope="session")
def builder() -> Any:
    """What writes pyannote pipelines that the real loading code loads."""
    spec = importlib.util.spec_from_file_location("tiny_pipeline_for_audio", BUILDER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def pipeline(builder: Any, trained_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pyannote pipeline with trained segmentation weights."""
    folder: Path = builder.build(tmp_path_factory.mktemp("pyannote") / "trained", weights=trained_weights)
    return folder
