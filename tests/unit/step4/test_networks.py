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
from workflow_scripts.step4.engine import Mode
from workflow_scripts.step4.mel import BLOCK_FRAMES as MEL_BLOCK
from workflow_scripts.step4.mel import MelSpectrogram
from workflow_scripts.step4.model_files import PinnedFile, ge2e_file, silero_file
from workflow_scripts.step4.parallel import Network, batches, map_in_order
from workflow_scripts.step4.segmentation import PyanNet, chunk_count, read_tensors
from workflow_scripts.step4.sound import mean_power
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


def mel_spectrogram(sound: np.ndarray) -> np.ndarray:
    return MelSpectrogram(sound, mean_power(sound))[:]


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


def test_a_spectrogram_is_the_same_wherever_one_looks_first() -> None:
    sound = np.random.default_rng(0).normal(size=(3 * MEL_BLOCK + 50) * 160).astype(np.float32) * 0.2
    spectrogram = MelSpectrogram(sound, 0.04)
    spans = [slice(2 * MEL_BLOCK - 10, 3 * MEL_BLOCK + 20), slice(0, 5), slice(MEL_BLOCK, MEL_BLOCK), slice(7, 8)]
    pieces = [spectrogram[span] for span in spans]
    whole = spectrogram[:]
    assert len(whole) == len(spectrogram) == 3 * MEL_BLOCK + 51
    assert all(np.array_equal(piece, whole[span]) for piece, span in zip(pieces, spans, strict=True))


@pytest.mark.parametrize(("samples", "chunks"), [(0, 0), (1, 1), (80000, 1), (80001, 2), (480000, 51)])
def test_chunks_cover_the_sound(samples: int, chunks: int) -> None:
    count = chunk_count(samples)
    assert count == chunks
    assert not count or (count - 1) * 8000 + 80000 >= samples


class Thirds(torch.nn.Module):  # type: ignore[misc,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.nn.Linear(2, 1, bias=False)
        torch.nn.init.constant_(self.factor.weight, 1 / 3)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.factor(batch)


@pytest.mark.parametrize(
    ("half", "least", "most"), [(None, 0, 1e-7), ("bfloat16", 1e-4, 4e-3), ("float16", 1e-5, 5e-4)]
)
def test_a_network_is_computed_in_its_mode_and_answers_in_single_precision(
    half: str | None, least: float, most: float
) -> None:
    answer = Network(Thirds(), Mode("cpu", half))(np.ones((1, 2), np.float32))
    assert answer.dtype == np.float32
    assert least <= abs(float(answer[0, 0]) - 2 / 3) <= most


def test_batches_come_back_in_order_and_each_is_told_with_its_size() -> None:
    told: list[int] = []
    steps: list[tuple[int, int]] = []
    answers = map_in_order(
        lambda batch: np.array(batch, np.float32),
        batches(50, 8),
        Mode(),
        lambda done, total: steps.append((done, total)),
        lambda items, seconds: told.append(items if seconds >= 0 else -1),
    )
    assert np.concatenate(list(answers)).tolist() == list(range(50))
    assert told == [8] * 6 + [2]
    assert steps == [(done, 7) for done in range(1, 8)]
    assert batches(0, 8) == []


def test_what_goes_wrong_in_a_batch_is_raised_as_it_is() -> None:
    def broken(_batch: range) -> np.ndarray:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.cuda.OutOfMemoryError, match="CUDA out of memory"):
        list(map_in_order(broken, batches(50, 8), Mode(), lambda *_: None, lambda *_: None))
