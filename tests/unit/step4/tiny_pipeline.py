"""Builds a tiny pyannote pipeline on disk that goes through the real `Pipeline.from_pretrained(folder)`."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

ARCHITECTURE = """
from pyannote.audio.models.embedding.wespeaker import BaseWeSpeakerResNet
from pyannote.audio.models.embedding.wespeaker.resnet import BasicBlock, ResNet


class TinyWeSpeaker(BaseWeSpeakerResNet):
    def __init__(self, sample_rate=16000, num_channels=1, num_mel_bins=24, frame_length=25, frame_shift=10,
                 dither=0.0, window_type="hamming", use_energy=False, task=None, **_others):
        super().__init__(sample_rate=sample_rate, num_channels=num_channels, num_mel_bins=num_mel_bins,
                         frame_length=frame_length, frame_shift=frame_shift, dither=dither,
                         window_type=window_type, use_energy=use_energy, task=task)
        self.resnet = ResNet(BasicBlock, [1, 1, 1, 1], m_channels=4, feat_dim=num_mel_bins, embed_dim=32,
                             pooling_func="TSTP", two_emb_layer=False)
"""
DIMENSION, DISCRIMINANT = 32, 16
SECONDS = 2.0


def build(folder: Path, seed: int = 0, weights: Path | None = None) -> Path:
    """Write the pipeline into `folder` and return it.

    `weights` are those of a trained segmentation network, to hear real speech; speakers are told apart by chance.
    """
    import numpy as np
    import torch
    import yaml

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = _segmentation(seed) if weights is None else _trained_segmentation(weights)
        _save(network, folder / "segmentation")
        _save(_embedding(folder.parent), folder / "embedding")
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    plda = folder / "plda"
    plda.mkdir()
    lda = np.linalg.qr(rng.normal(size=(DIMENSION, DISCRIMINANT)))[0]
    np.savez(plda / "xvec_transform.npz", mean1=np.zeros(DIMENSION), mean2=np.zeros(DISCRIMINANT), lda=lda)
    np.savez(
        plda / "plda.npz", mu=np.zeros(DISCRIMINANT), tr=np.eye(DISCRIMINANT), psi=np.linspace(2, 0.1, DISCRIMINANT)
    )
    params = {
        "segmentation": "$model/segmentation",
        "embedding": "$model/embedding",
        "embedding_exclude_overlap": True,
        "plda": "$model/plda",
        "clustering": "VBxClustering",
    }
    config = {
        "dependencies": {"pyannote.audio": "4.0.0"},
        "pipeline": {"name": "pyannote.audio.pipelines.SpeakerDiarization", "params": params},
        "params": {
            "segmentation": {"min_duration_off": 0.0} | ({} if weights is None else {"threshold": 0.5}),
            "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), "utf-8")
    return folder


def _segmentation(seed: int) -> Any:
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(seed)
    model = PyanNet(
        sincnet={"stride": 10},
        lstm={"hidden_size": 8, "num_layers": 1, "bidirectional": True, "monolithic": True, "dropout": 0.0},
        linear={"hidden_size": 8, "num_layers": 1},
    )
    model.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=SECONDS,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    model.build()
    with torch.no_grad():
        model.classifier.weight.mul_(20.0)  # random weights would sit on one class
    return model


def _trained_segmentation(weights: Path) -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    from workflow_scripts.step4.segmentation import CHUNK_SECONDS, read_tensors

    model = PyanNet(
        sincnet={"stride": 10},
        lstm={"hidden_size": 128, "num_layers": 4, "bidirectional": True, "monolithic": True, "dropout": 0.0},
        linear={"hidden_size": 128, "num_layers": 2},
    )
    model.specifications = Specifications(
        problem=Problem.MULTI_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=CHUNK_SECONDS,
        classes=["speaker#1", "speaker#2", "speaker#3"],
        permutation_invariant=True,
    )
    model.build()
    model.load_state_dict(read_tensors(str(weights)))
    return model


def _embedding(folder: Path) -> Any:
    from pyannote.audio.core.task import Problem, Resolution, Specifications

    # pyannote imports the architecture by the name of its module.
    (folder / "tiny_architecture.py").write_text(ARCHITECTURE, "utf-8")
    sys.path.insert(0, str(folder))
    from tiny_architecture import TinyWeSpeaker  # type: ignore[import-not-found,unused-ignore]

    model = TinyWeSpeaker()
    model.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=SECONDS
    )
    model.build()
    return model


def _save(model: Any, folder: Path) -> None:
    """Write `pytorch_model.bin` as `Model.from_pretrained` expects it."""
    import lightning
    import torch

    folder.mkdir(parents=True)
    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "hparams_name": "kwargs",
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": lightning.__version__,
        "optimizer_states": [],
        "lr_schedulers": [],
        "loops": {},
        "callbacks": {},
    }
    model.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, folder / "pytorch_model.bin")
