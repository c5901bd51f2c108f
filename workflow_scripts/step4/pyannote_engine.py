"""The pyannote engine: `pyannote.audio` 4, from a local folder or, with a token, from the hub.

Networks run in FP32 only: half precision loses most speech of a quiet or noisy recording. The hub is asked once;
afterwards the downloaded copy is used without the network.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, sha256_of
from workflow_scripts.step4.engine import (
    SAMPLE_RATE,
    Diarization,
    Progress,
    SpeakerCount,
    Waveform,
    clean_waveform,
    diarization,
)

HUB_MODEL = "pyannote/speaker-diarization-community-1"
TOKEN_VARIABLES = ("PYANNOTE_TOKEN", "HF_TOKEN")
CONFIG_NAME = "config.yaml"
HUB_TIMEOUT_SECONDS = "5"
PROGRESS_TOTAL = 1000
"""Progress is told in thousandths; 96 % of the time goes into the embeddings."""
_SHARES = {"segmentation": (0, 40), "embeddings": (40, 1000)}
SHORTEST_SECONDS = 1.0
"""Shorter sounds are filled up with silence: the embedding network needs some frames to look at."""


def hub_token(environment: Mapping[str, str] = os.environ) -> str | None:
    """The hub token that is configured, None where there is none."""
    return next((environment[name] for name in TOKEN_VARIABLES if environment.get(name)), None)


def checked_folder(folder: Path) -> Path:
    """Return the absolute path of a local pipeline folder.

    Raises:
        PreconditionError: there is no such folder, or its `config.yaml` or something that names is not in it
            (pyannote would take a missing folder for a name on the hub and ask for it over the network).
    """
    if not folder.is_dir():
        raise PreconditionError(
            f"The pyannote model folder {folder} does not exist.",
            hint="Set pyannote_model to a folder that holds config.yaml, or leave it out.",
        )
    config = folder / CONFIG_NAME
    wanted = re.findall(r"\$model/([\w.-]+)", config.read_text("utf-8", "replace")) if config.is_file() else []
    missing = [name for name in (CONFIG_NAME, *wanted) if not (folder / name).exists()]
    if missing:
        raise PreconditionError(
            f"The pyannote model folder {folder} is not complete: {missing[0]} is missing.",
            hint="Download the whole model repository into the folder.",
        )
    return folder.absolute()


def hub_folder(token: str) -> Path:
    """Return the folder of the hub's pipeline, downloading it on first use.

    Raises:
        PreconditionError: the token is refused, the model's terms are not accepted, or the hub is out of reach.
    """
    _prepare_environment(offline=False)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        return checked_folder(Path(snapshot_download(HUB_MODEL, local_files_only=True)))
    except (LocalEntryNotFoundError, PreconditionError):
        pass  # not downloaded yet, or only in part
    embedded = "Or set engine to embedded, which needs no account."
    try:
        return checked_folder(Path(snapshot_download(HUB_MODEL, token=token)))
    except GatedRepoError as error:
        raise PreconditionError(
            f"The hub does not let this token download {HUB_MODEL}.",
            hint=f"Accept its terms on https://huggingface.co/{HUB_MODEL} with the token's account. {embedded}",
        ) from error
    except HfHubHTTPError as error:
        raise PreconditionError(
            f"The hub refused the download of {HUB_MODEL} (status {error.response.status_code}).",
            hint=f"Check the token in {TOKEN_VARIABLES[0]}. {embedded}",
        ) from error
    except (OSError, ValueError) as error:  # no network; huggingface_hub's offline errors are OSErrors
        raise PreconditionError(
            f"{HUB_MODEL} is not downloaded yet and the hub cannot be reached.",
            hint=f"Connect once, or set pyannote_model to a local folder. {embedded}",
        ) from error


def folder_records(folder: Path) -> tuple[ModelRecord, ...]:
    """The files of a pipeline folder with their sha256, by name; hidden files and texts about it are left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    names = {path.relative_to(folder).as_posix(): path for path in files}
    kept = sorted(name for name in names if not any(part.startswith(".") for part in Path(name).parts))
    return tuple(ModelRecord(f"pyannote {name}", sha256_of(names[name]), folder.name) for name in kept)


class PyannoteEngine:
    """A pipeline loaded from a folder, on one device."""

    def __init__(self, folder: Path, device: str, batch_size: int = 32) -> None:
        """Load the pipeline on the CPU, then move it to `device`.

        Only trusted folders: pyannote unpickles the checkpoints in it.

        Raises:
            PreconditionError: the folder is missing or does not load as a pipeline.
        """
        self._folder = checked_folder(folder)
        self.batch_size = batch_size
        _prepare_environment(offline=True)
        with warnings.catch_warnings():
            # torchcodec finds no FFmpeg libraries: true and harmless, sound is handed over in memory.
            warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
            import torch
            from pyannote.audio import Pipeline
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        try:
            pipeline: Any = Pipeline.from_pretrained(self._folder)
        except Exception as error:  # whatever is wrong in a folder somebody put together by hand
            text = str(error).strip().partition("\n")[0]
            raise PreconditionError(
                f"The pyannote model folder {self._folder} does not load: {type(error).__name__}: {text}.",
                hint="Download the whole model repository again.",
            ) from error
        self._pipeline = pipeline.to(torch.device(device))
        self._models = folder_records(self._folder)

    @property
    def name(self) -> str:
        """`pyannote` and the folder's name."""
        return f"pyannote ({self._folder.name})"

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """The files of the pipeline."""
        return self._models

    def diarize(self, waveform: Waveform, speakers: SpeakerCount, progress: Progress) -> Diarization:
        """Return who speaks when in a mono sound of 16 kHz."""
        import torch

        sound = clean_waveform(waveform)
        duration = len(sound) / SAMPLE_RATE
        if not len(sound):
            return diarization([], 0.0)
        missing = round(SHORTEST_SECONDS * SAMPLE_RATE) - len(sound)
        if missing > 0:
            sound = np.pad(sound, (0, missing))
        self._pipeline.segmentation_batch_size = self.batch_size
        self._pipeline.embedding_batch_size = max(1, self.batch_size // 4)  # larger ones only cost memory
        answer = self._pipeline(
            {"waveform": torch.from_numpy(sound)[None], "sample_rate": SAMPLE_RATE},
            hook=_hook(progress),
            num_speakers=speakers.exact,
            min_speakers=speakers.minimum,
            max_speakers=speakers.maximum,
        )
        tracks = answer.speaker_diarization.itertracks(yield_label=True)
        progress(PROGRESS_TOTAL, PROGRESS_TOTAL)
        return diarization(((s.start, s.end, label) for s, _, label in tracks), duration)


def _prepare_environment(*, offline: bool) -> None:
    """Set what pyannote and the hub's client read when they are imported: no telemetry, no waiting."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", HUB_TIMEOUT_SECONDS)
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")


def _hook(progress: Progress) -> Callable[..., None]:
    """Turn pyannote's steps into one progress that only grows."""
    told = 0

    def hook(
        step: str,
        _artefact: object,
        file: object = None,  # noqa: ARG001 - pyannote passes it by name
        total: int | None = None,
        completed: int | None = None,
    ) -> None:
        nonlocal told
        if step in _SHARES and total and completed is not None:
            first, last = _SHARES[step]
            told = max(told, first + (last - first) * completed // total)
            progress(told, PROGRESS_TOTAL)

    return hook
