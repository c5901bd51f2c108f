"""What is known of modes of computing: on which machine and with which models they agree with the reference.

`profiling/audio_consistency.json` holds the verdicts and `debug/audio_inconsistencies.log` a line for each
divergence. Removing the first makes everything be asked again.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.events import printable, utc_now
from workflow_scripts.common.paths import data_folder
from workflow_scripts.step4.consistency import Verdict
from workflow_scripts.step4.engine import SAMPLE_RATE, Engine

#: Packages whose version may change an answer.
_PACKAGES = ("torch", "pyannote.audio", "onnxruntime", "numpy")


def circumstances(engine: Engine) -> dict[str, Any]:
    """All that a verdict depends on: machine, device, mode, engine, models, versions."""
    return {
        "machine": platform.node(),
        "device": _device_name(engine.mode.device),
        "mode": str(engine.mode),
        "engine": engine.name,
        "models": [model.sha256 for model in engine.models],
        "versions": {name: _version(name) for name in _PACKAGES},
    }


class Verdicts:
    """The verdicts of this data folder; what cannot be read or written is not known, and asked again."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` is the data folder unless given."""
        folder = folder or data_folder()
        self._path = folder / "profiling" / "audio_consistency.json"
        self._log = folder / "debug" / "audio_inconsistencies.log"

    def of(self, engine: Engine) -> bool | None:
        """Whether an engine in its mode agrees with the reference here; None where that is not known."""
        entry = self._entries().get(_key(engine), {})
        return entry.get("agrees") if isinstance(entry, dict) else None

    def remember(self, engine: Engine, video: str, verdict: Verdict) -> None:
        """Note a verdict, and a divergence in the log too.

        An agreement on one video does not undo a divergence on another.

        Raises:
            OSError: neither can be written.
        """
        agrees = not verdict.complaints
        if self.of(engine) is None or not agrees:
            entry = circumstances(engine) | {"agrees": agrees, "video": video, "when": utc_now()}
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._path, self._entries() | {_key(engine): entry | figures(verdict)})
        if not agrees:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("a", encoding="utf-8") as log:
                log.write(_line(engine, video, verdict))

    def _entries(self) -> dict[str, Any]:
        try:
            return load_json(self._path) if self._path.is_file() else {}
        except ArtifactError:
            return {}


def figures(verdict: Verdict) -> dict[str, Any]:
    """The figures of a verdict as they are written, the reference first."""
    agreement, excerpt = verdict.agreement, verdict.excerpt
    return {
        "excerpt_s": [excerpt.start / SAMPLE_RATE, excerpt.end / SAMPLE_RATE],
        "speech_share": [round(share, 4) for share in agreement.speech],
        "first_speech_s": list(agreement.first),
        "error": round(agreement.error, 4) if math.isfinite(agreement.error) else None,
        "complaints": list(verdict.complaints),
    }


def _line(engine: Engine, video: str, verdict: Verdict) -> str:
    told = json.dumps({"video": video, "mode": str(engine.mode), "engine": engine.name} | figures(verdict))
    return f"{utc_now()} {printable(told)}\n"


def _key(engine: Engine) -> str:
    return hashlib.sha256(json.dumps(circumstances(engine), sort_keys=True).encode()).hexdigest()[:16]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _device_name(device: str) -> str:
    if device == "cpu":
        return platform.machine()
    import torch

    return str(torch.cuda.get_device_name())
