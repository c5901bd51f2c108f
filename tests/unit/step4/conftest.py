"""Real speech: the half minute of two people on the telephone inside pyannote's wheel, with its reference."""

from __future__ import annotations

import importlib.util
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workflow_scripts.common.audio_parameters import PARAMETERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Span = tuple[float, float, str]
FRAMES_PER_SECOND = 100


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token or setting from outside."""
    for name in ("HF_TOKEN", "PYANNOTE_TOKEN", *(name for one in PARAMETERS for name in one.variables)):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """The folder of `sample.wav` and `sample.rttm`."""
    import pyannote

    return next(Path(folder) / "audio" / "sample" for folder in pyannote.__path__)


@pytest.fixture(scope="session")
def sample(sample_folder: Path) -> NDArray[np.float32]:
    """30 s, 16 kHz, two speakers who overlap at times."""
    import soundfile

    waveform, rate = soundfile.read(sample_folder / "sample.wav", dtype="float32")
    assert rate == 16000
    return waveform


@pytest.fixture(scope="session")
def sample_reference(sample_folder: Path) -> list[Span]:
    """Who truly speaks when: (start, end, name)."""
    lines = [line.split() for line in (sample_folder / "sample.rttm").read_text().splitlines()]
    return [(float(f[3]), float(f[3]) + float(f[4]), f[7]) for f in lines if f[0] == "SPEAKER"]


@pytest.fixture(scope="session")
def engine() -> Any:
    """The embedded engine with all its networks; without the segmentation network the tests that want it skip."""
    from workflow_scripts.step4.embedded import EmbeddedEngine
    from workflow_scripts.step4.model_files import segmentation_file

    if not segmentation_file().path.is_file():
        pytest.skip("the segmentation network is not installed")
    return EmbeddedEngine.installed(0.5, 0.3)


@pytest.fixture(scope="session")
def plain_engine() -> Any:
    """The embedded engine without the segmentation network, which every installation has."""
    from workflow_scripts.step4.embedded import EmbeddedEngine

    return EmbeddedEngine()


def error_rate(found: Any, reference: list[Span]) -> float:
    """Diarization error rate of a Diarization: no collar, overlapping speech counts, best naming of speakers."""
    import numpy as np

    def frames(spans: list[Span]) -> NDArray[np.bool_]:
        names = sorted({name for *_, name in spans})
        active = np.zeros((round(found.duration * FRAMES_PER_SECOND) + 1, len(names)), bool)
        for start, end, name in spans:
            active[round(start * FRAMES_PER_SECOND) : round(end * FRAMES_PER_SECOND), names.index(name)] = True
        return active

    truth, answer = frames(reference), frames([(t.start, t.end, t.speaker) for t in found.turns])
    width = max(truth.shape[1], answer.shape[1])
    truth, answer = (np.pad(a, ((0, 0), (0, width - a.shape[1]))) for a in (truth, answer))
    both = truth.T.astype(int) @ answer.astype(int)
    correct = max(sum(both[i, j] for i, j in enumerate(order)) for order in permutations(range(width)))
    spoken = truth.sum(axis=1)
    return float((np.maximum(spoken, answer.sum(axis=1)).sum() - correct) / spoken.sum())


@pytest.fixture(name="error_rate", scope="session")
def error_rate_fixture() -> Any:
    """`error_rate(diarization, reference)`."""
    return error_rate


def builder(name: str) -> Any:
    """A file beside this one that builds a model."""
    spec = importlib.util.spec_from_file_location(f"{name}_builder", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole pyannote pipeline on disk, 330 kB, with random weights: it loads and runs like a real one."""
    folder: Path = builder("tiny_pipeline").build(tmp_path_factory.mktemp("pyannote") / "tiny")
    return folder


@pytest.fixture(scope="session")
def build_whisper() -> Any:
    """`build_whisper(folder, sentence, …)`: a whole Whisper model that says one sentence whatever it hears."""
    return builder("tiny_whisper").build


@pytest.fixture(scope="session")
def tiny_whisper(build_whisper: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says “Bonjour à tous.” in the first two seconds of every window, in French."""
    folder: Path = build_whisper(tmp_path_factory.mktemp("whisper") / "tiny")
    return folder
