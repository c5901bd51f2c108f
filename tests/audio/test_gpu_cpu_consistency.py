"""That every way of computing says what FP32 on the CPU says, and that one which does not is caught.

Without a GPU half precision on the CPU stands for it: the very same networks, weights and code. With one the same
is asked of the GPU.
"""

from __future__ import annotations

import logging
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.common.artifacts.audio import frames_of_turns
from workflow_scripts.common.audio_parameters import PARAMETERS
from workflow_scripts.common.audio_settings import AudioPlan
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.devices import Rung, cuda_available
from workflow_scripts.common.media import probe, write_media
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.step import Job, Result
from workflow_scripts.step4.comparison import Agreement, compare
from workflow_scripts.step4.consistency import Excerpt, check
from workflow_scripts.step4.embedded import EmbeddedEngine
from workflow_scripts.step4.engine import REFERENCE, Engine, Mode, SpeakerCount
from workflow_scripts.step4.model_files import segmentation_file
from workflow_scripts.step4.pyannote_engine import PyannoteEngine
from workflow_scripts.step4.run_audio_analysis import RunAudioAnalysis

HALF = Mode("cpu", "bfloat16")
needs_gpu = pytest.mark.skipif(not cuda_available(), reason="no CUDA device")
MEDIA = Path(__file__).parents[3] / "shared" / "media"


def agreement(engine: Engine, reference: Engine, sound: NDArray[np.float32]) -> Agreement:
    clock = FrameClock(Fraction(25), int(len(sound) / 16000 * 25))
    first, second = (
        frames_of_turns(one.diarize(sound, SpeakerCount(), lambda *_: None).turns, clock)
        for one in (reference, engine)
    )
    return compare(first, second, clock.fps)


@pytest.fixture(scope="module")
def reference(pipeline: Path) -> PyannoteEngine:
    return PyannoteEngine(pipeline, REFERENCE)


@pytest.fixture(scope="module")
def half(pipeline: Path) -> PyannoteEngine:
    return PyannoteEngine(pipeline, HALF)


def test_half_precision_loses_most_speech_of_a_quiet_sound_and_is_caught(
    reference: PyannoteEngine, half: PyannoteEngine, quiet: NDArray[np.float32]
) -> None:
    verdict = check(half, reference, quiet, Excerpt(0, len(quiet)), SpeakerCount())
    right, wrong = verdict.agreement.speech
    assert right > 0.7 and wrong < 0.2
    assert verdict.complaints


def test_on_a_clean_sound_half_precision_finds_the_speech_so_that_only_the_own_sound_tells(
    reference: PyannoteEngine, half: PyannoteEngine, sample: NDArray[np.float32]
) -> None:
    right, other = check(half, reference, sample, Excerpt(0, len(sample)), SpeakerCount()).agreement.speech
    assert abs(right - other) < 0.02


def test_the_reference_agrees_with_itself_in_batches_of_any_size(
    pipeline: Path, reference: PyannoteEngine, quiet: NDArray[np.float32]
) -> None:
    one_by_one = PyannoteEngine(pipeline, REFERENCE, batch_size=1)
    found = agreement(one_by_one, reference, quiet)
    assert found.complaints() == () and found.error == 0


def test_weights_made_on_the_spot_go_through_both_precisions(
    builder: object, tmp_path: Path, sample: NDArray[np.float32]
) -> None:
    folder = builder.build(tmp_path / "tiny")  # type: ignore[attr-defined]
    for mode in (REFERENCE, HALF, Mode("cpu", "float16")):
        assert PyannoteEngine(folder, mode).diarize(sample, SpeakerCount(), lambda *_: None).turns
    shutil.rmtree(folder)


def test_the_embedded_engine_agrees_with_its_half_precision_on_a_clean_sound_only(
    sample: NDArray[np.float32], trained_weights: Path
) -> None:
    assert trained_weights == segmentation_file().path
    engines = [EmbeddedEngine(segmentation=segmentation_file(), mode=mode) for mode in (REFERENCE, HALF)]
    shares = agreement(engines[1], engines[0], sample).speech
    assert abs(shares[0] - shares[1]) < 0.05


def test_a_video_that_half_precision_would_lose_comes_out_right_and_says_so(
    pipeline: Path, quiet: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AudioPlan, "half", lambda _plan, _device: "bfloat16")  # as a GPU would with gpu_optimized
    said: list[str] = []
    settings = {"pyannote_model": str(pipeline), "profile": "gpu_optimized"}
    result = run_step(tmp_path / "quiet", quiet, settings, said)
    assert result.counts["speech_share"] > 0.7 and result.counts["half"] is None
    assert any("CPU bfloat16 says otherwise than FP32 on the CPU" in line for line in said)
    log = (tmp_path / "data" / "debug" / "audio_inconsistencies.log").read_text(encoding="utf-8")
    assert '"video": "clip.mp4"' in log and '"mode": "CPU bfloat16"' in log
    again = run_step(tmp_path / "next", quiet, settings, said)
    assert again.counts["half"] is None and "before, on this machine" in " ".join(said)


def run_step(folder: Path, sound: NDArray[np.float32], given: dict[str, str], said: list[str]) -> Result:
    video = lay_out(folder, sound)
    log = logging.getLogger(str(folder))
    log.setLevel(logging.INFO)
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log.addHandler(handler)
    params = resolve(PARAMETERS, None, given)
    job = Job({}, params, Rung("cpu", 32), log, lambda *_: None, video.workflow)
    step = RunAudioAnalysis()
    step.prepare(job)
    return step.process(video, job)


def lay_out(folder: Path, sound: NDArray[np.float32]) -> Video:
    """A video of the sound, losslessly, and what STEP2 says of it."""
    video = Video(Project(folder, folder / "docs"), "clip.mp4")
    video.path.parent.mkdir(parents=True)
    with av.open(str(video.path), "w", format="matroska") as container:
        picture = container.add_stream("libx264", rate=Fraction(25))
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        track = container.add_stream("pcm_f32le", rate=16000, layout="mono")
        for _ in range(round(len(sound) / 16000 * 25)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24")
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        piece = av.AudioFrame.from_ndarray(sound[None], format="flt", layout="mono")
        piece.sample_rate, piece.time_base, piece.pts = 16000, Fraction(1, 16000), 0
        container.mux(track.encode(piece))
        container.mux(track.encode(None))
    write_media(video.workflow / "media.json", probe(video.path))
    return video


@needs_gpu
@pytest.mark.usefixtures("gpu_left_as_found")
@pytest.mark.parametrize("half", [None, "float16", "bfloat16"])
@pytest.mark.skipif(not MEDIA.is_dir(), reason="the real sounds are not here")
def test_a_gpu_says_what_the_cpu_says_or_is_caught(half: str | None, trained_weights: Path) -> None:
    assert trained_weights.is_file()
    import soundfile

    reference = EmbeddedEngine(segmentation=segmentation_file())
    engine = EmbeddedEngine(segmentation=segmentation_file(), mode=Mode("cuda", half))
    for path in sorted(MEDIA.glob("pya_*.wav")):
        sound, _ = soundfile.read(path, dtype="float32")
        if len(sound):
            found = agreement(engine, reference, sound)
            assert half is not None or found.complaints() == (), path.name
