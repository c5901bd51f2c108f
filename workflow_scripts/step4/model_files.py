"""Where the networks of the embedded engine lie, and the check that they are the files we know."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, sha256_of

SETUP_HINT = "Run `scripts/setup audio_env` to install it again."


@dataclass(frozen=True)
class PinnedFile:
    """A network file that is loaded only while its content has this sha256; `source` is where it comes from."""

    name: str
    source: str
    path: Path
    sha256: str

    def verified(self) -> ModelRecord:
        """Return the file's record; raises PreconditionError when it is missing or has other content."""
        if not self.path.is_file():
            raise PreconditionError(f"The model file {self.path.name} ({self.name}) is missing.", hint=SETUP_HINT)
        found = sha256_of(self.path)
        if found != self.sha256:
            raise PreconditionError(
                f"The model file {self.path.name} ({self.name}) has sha256 {found[:12]}…, "
                f"expected {self.sha256[:12]}…: it is damaged or was replaced, and is not loaded.",
                hint=SETUP_HINT,
            )
        return ModelRecord(self.name, found, self.source)


def silero_file() -> PinnedFile:
    """Voice activity: silero-vad 6.2's 16 kHz sequence network, inside its wheel (MIT)."""
    return PinnedFile(
        "silero-vad 16k sequence",
        "silero-vad",
        _package_folder("silero_vad", "silero-vad") / "data" / "silero_vad_16k_sequence.onnx",
        "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
    )


def ge2e_file() -> PinnedFile:
    """Speaker embeddings: Resemblyzer's GE2E encoder, inside its wheel (Apache-2.0)."""
    return PinnedFile(
        "GE2E speaker encoder",
        "resemblyzer",
        _package_folder("resemblyzer", "resemblyzer") / "pretrained.pt",
        "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e",
    )


def segmentation_file() -> PinnedFile:
    """Speaker segmentation: a PyanNet trained on 5 s chunks (MIT), put beside the environment by setup."""
    return PinnedFile(
        "PyanNet speaker segmentation",
        "pyannote segmentation, as shipped with whisperx",
        Path(sys.prefix) / "share" / "workflow-models" / "segmentation" / "pytorch_model.bin",
        "0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea",
    )


def embedded_files() -> tuple[PinnedFile, ...]:
    """The files the engine will load, in the order it uses them; the segmentation network only where it is."""
    optional = segmentation_file()
    return (silero_file(), *((optional,) if optional.path.is_file() else ()), ge2e_file())


def _package_folder(module: str, package: str) -> Path:
    """Folder of an installed package, found without importing it (Resemblyzer itself no longer imports)."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise PreconditionError(f"The package {package} is not installed in this environment.", hint=SETUP_HINT)
    return Path(next(iter(spec.submodule_search_locations)))
