"""The networks are the published ones, loaded without running anything from their files."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.mel import mel_spectrogram
from workflow_scripts.step4.model_files import PinnedFile, ge2e_file, silero_file
from workflow_scripts.step4.segmentation import PyanNet, chunk_starts, read_tensors
from workflow_scripts.step4.speaker_embedding import SpeakerEmbedding
from workflow_scripts.step4.voice_activity import BLOCK_FRAMES, VoiceActivity


def test_the_segmentation_network_computes_what_pyannotes_own_class_computes() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pyannote.audio.core.task import Problem, Resolution, Specifications
        from pyannote.audio.models.segmentation import PyanNet as Original

        torch.manual_seed(1)
        original = Original(sincnet={"stride": 10}, lstm={"num_layers": 4, "hidden_size": 128, "monolithic": True})
        original.specifications = Specifications(
            problem=Problem.MULTI_LABEL_CLASSIFICATION,
            resolution=Resolution.FRAME,
            duration=5.0,
            classes=["a", "b", "c"],
            permutation_invariant=True,
        )
        original.build()
        original.eval()
    own = PyanNet().eval()
    own.load_state_dict(original.state_dict())
    wave = torch.randn(2, 1, 80000) * 0.1
    with torch.inference_mode():
        expected, found = original(wave), own(wave)
    assert found.shape == (2, 293, 3)
    assert (expected - found).abs().max() < 1e-5


class Payload:
    """Pickles as a call, which unpickling would make."""

    def __init__(self, function: Callable[..., object], *arguments: str) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, ...]]:
        return self.call


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    target, file = tmp_path / "owned", tmp_path / "pytorch_model.bin"
    torch.save(
        {"state_dict": {"a": torch.ones(2)}, "extra": Payload(shutil.copyfile, str(file), str(target))}, file
    )
    assert read_tensors(str(file))["a"].tolist() == [1, 1]
    assert not target.exists()
    torch.save({"state_dict": {"a": torch.ones(2)}, "extra": Payload(os.mkdir, str(target))}, file)
    with pytest.raises(pickle.UnpicklingError):
        read_tensors(str(file))
    assert not target.exists()


def test_one_changed_byte_in_a_model_file_is_refused(tmp_path: Path) -> None:
    known = ge2e_file()
    content = bytearray(known.path.read_bytes())
    content[len(content) // 2] ^= 1
    file = PinnedFile(known.name, known.source, tmp_path / "pretrained.pt", known.sha256)
    file.path.write_bytes(content)
    with pytest.raises(PreconditionError, match=r"pretrained\.pt .* damaged or was replaced"):
        SpeakerEmbedding(file)


def test_a_missing_model_file_is_named(tmp_path: Path) -> None:
    file = PinnedFile("voice activity", "somewhere", tmp_path / "gone.onnx", "0" * 64)
    with pytest.raises(PreconditionError, match=r"gone\.onnx \(voice activity\) is missing"):
        VoiceActivity(file)


def test_a_file_that_holds_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pretrained.pt"
    torch.save({"model_state": {"linear.weight": torch.zeros(1)}}, path)
    file = PinnedFile("encoder", "here", path, hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(PreconditionError, match="GE2E"):
        SpeakerEmbedding(file)


def test_blocks_of_the_detector_join_without_a_seam(sample: np.ndarray) -> None:
    detector = VoiceActivity(silero_file())
    long = np.tile(sample, 2)
    series = np.concatenate(list(detector.probabilities(long)))
    assert len(series) == -(-len(long) // 512) > BLOCK_FRAMES
    shifted = np.concatenate(list(detector.probabilities(long[: 512 * 1000])))
    assert np.abs(series[:1000] - shifted).max() < 1e-5
    assert 0.6 < (series > 0.5).mean() < 0.9


def test_embeddings_tell_two_people_of_one_recording_apart(sample: np.ndarray) -> None:
    mel = mel_spectrogram(sample)
    moments = [(1100, 0), (1250, 0), (1900, 0), (1500, 1), (2300, 1), (2500, 1)]
    vectors = SpeakerEmbedding(ge2e_file()).embed([mel[t : t + 160] for t, _ in moments], lambda *_: None)
    assert vectors.shape == (6, 256) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alike = vectors @ vectors.T
    same = [alike[i, j] for i in range(6) for j in range(i) if moments[i][1] == moments[j][1]]
    other = [alike[i, j] for i in range(6) for j in range(i) if moments[i][1] != moments[j][1]]
    assert np.mean(same) > np.mean(other) + 0.05


def test_the_spectrogram_has_a_frame_per_10_ms_and_the_pitch_of_a_tone_in_the_right_band() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000).astype(np.float32)
    mel = mel_spectrogram(tone)
    assert mel.shape == (101, 40)
    assert set(mel[10:90].argmax(axis=1)) == {13}  # Slaney bands are 66.7/0.9 Hz apart up to 1 kHz
    assert mel_spectrogram(np.zeros(0, np.float32)).shape == (0, 40)


def test_a_long_spectrogram_is_that_of_its_parts() -> None:
    sound = np.random.default_rng(0).normal(size=60 * 16000).astype(np.float32) * 0.2
    whole, part = mel_spectrogram(sound), mel_spectrogram(sound[: 50 * 16000])
    assert np.allclose(whole[:4990], part[:4990], rtol=1e-4)


@pytest.mark.parametrize(("samples", "chunks"), [(0, 0), (1, 1), (80000, 1), (80001, 2), (480000, 51)])
def test_chunks_cover_the_sound(samples: int, chunks: int) -> None:
    starts = chunk_starts(samples)
    assert len(starts) == chunks
    assert not starts or starts[-1] + 80000 >= samples
