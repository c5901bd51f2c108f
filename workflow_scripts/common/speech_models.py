"""The speech models for transcripts: which there are, where they lie, and the check that they are whole.

A model is a folder in CTranslate2's format. Those that `scripts/workflow models` fetched or imported lie in the
models folder under their names, each with a record of its files beside them. One comes with audio_env; a model of
the same name in the models folder takes its place.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import ArtifactError, PreconditionError, UsageError
from workflow_scripts.common.manifest import ModelRecord, file_sha256
from workflow_scripts.common.paths import ROOT, data_folder

#: The file in a model's folder that says what the others are.
RECORD = "model.json"
#: Without these a folder is no model; a `vocabulary` in one of the forms belongs to it too.
NEEDED = ("config.json", "model.bin", "tokenizer.json")
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
OPTIONAL = ("preprocessor_config.json",)


@dataclass(frozen=True)
class KnownModel:
    """A model that can be fetched by name: where from, and about how large it is in megabytes."""

    name: str
    repository: str
    megabytes: int


KNOWN: Mapping[str, KnownModel] = {
    name: KnownModel(name, repository, megabytes)
    for name, repository, megabytes in (
        ("tiny", "Systran/faster-whisper-tiny", 78),
        ("base", "Systran/faster-whisper-base", 148),
        ("small", "Systran/faster-whisper-small", 486),
        ("medium", "Systran/faster-whisper-medium", 1530),
        ("large-v2", "Systran/faster-whisper-large-v2", 3090),
        ("large-v3", "Systran/faster-whisper-large-v3", 3090),
        ("turbo", "mobiuslabsgmbh/faster-whisper-large-v3-turbo", 1620),
        ("tiny.en", "Systran/faster-whisper-tiny.en", 78),
        ("base.en", "Systran/faster-whisper-base.en", 148),
        ("small.en", "Systran/faster-whisper-small.en", 486),
        ("medium.en", "Systran/faster-whisper-medium.en", 1530),
    )
}


@dataclass(frozen=True)
class ModelFile:
    """A file of a model as it was when it was fetched or imported, or as it was published."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class EmbeddedModel:
    """A model that scripts/setup puts into audio_env: where it was published, and what it is made of."""

    source: str
    licence: str
    files: tuple[ModelFile, ...]


EMBEDDED: Mapping[str, EmbeddedModel] = {
    "base": EmbeddedModel(
        "Systran/faster-whisper-base at ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        "MIT",
        (
            ModelFile("config.json", 2309, "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a"),
            ModelFile("model.bin", 145217532, "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"),
            ModelFile(
                "tokenizer.json", 2203239, "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
            ),
            ModelFile("vocabulary.txt", 459861, "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"),
        ),
    )
}


def models_folder() -> Path:
    """Where the speech models are, a folder each: in `WORKFLOW_MODELS_DIR`, else in the data folder's `models/`."""
    return Path(os.environ.get("WORKFLOW_MODELS_DIR") or data_folder() / "models").resolve() / "whisper"


def embedded_folder() -> Path:
    """Where the speech models are that came with audio_env (in `WORKFLOW_EMBEDDED_MODELS`, where that is set)."""
    there = os.environ.get("WORKFLOW_EMBEDDED_MODELS") or ROOT / "audio_env" / "share" / "workflow-models"
    return Path(there).resolve() / "whisper"


def is_embedded(model: str) -> bool:
    """Whether a name means the model that came with audio_env: it is there, and no other takes its place."""
    if model not in EMBEDDED or (models_folder() / model).is_dir():
        return False
    return (embedded_folder() / model).is_dir()


def is_path(model: str) -> bool:
    """Whether a model is given as a folder; a name has no slash."""
    return os.sep in model


def folder_of(model: str) -> Path:
    """Where a model lies or would lie, given its name or a folder."""
    if is_path(model):
        return Path(model).expanduser().absolute()
    return (embedded_folder() if is_embedded(model) else models_folder()) / model


def name_of(model: str) -> str:
    """What people call a model that is given by name or folder."""
    return folder_of(model).name if is_path(model) else model


def find_model(model: str) -> Path:
    """The folder of a model that is there and whole, as far as the sizes of its files tell.

    Raises:
        UsageError: there is no model of that name anywhere.
        PreconditionError: it is not here, or not whole.
    """
    folder = folder_of(model)
    if not folder.is_dir():
        raise _absent(model)
    absent = missing_files(folder)
    if absent:
        raise _unusable(model, f"lacks {', '.join(absent)}")
    for file in known_files(model):
        path = folder / file.name
        if not path.is_file() or path.stat().st_size != file.size:
            raise _unusable(model, f"is damaged: {file.name} is not the file that it was")
    return folder


def missing_files(folder: Path) -> list[str]:
    """The names of the files without which a folder is no model."""
    absent = [name for name in NEEDED if not (folder / name).is_file()]
    return absent if any((folder / name).is_file() for name in VOCABULARIES) else [*absent, VOCABULARIES[0]]


def model_files(folder: Path) -> list[Path]:
    """The files of a model that decide what it says."""
    return [path for name in (*NEEDED, *VOCABULARIES, *OPTIONAL) if (path := folder / name).is_file()]


def records_of(model: str) -> tuple[ModelRecord, ...]:
    """What decides the words: the files of a model that is there, with their content's sha256.

    Raises:
        UsageError, PreconditionError: as `find_model`; also where a file is not what was fetched.
    """
    folder = find_model(model)
    known = {file.name: file.sha256 for file in known_files(model)}
    source = source_of(model) or name_of(model)
    found = []
    for path in model_files(folder):
        digest = file_sha256(path)
        if known.get(path.name, digest) != digest:
            raise _unusable(model, f"is damaged: {path.name} is not the file that it was")
        found.append(ModelRecord(f"Whisper {path.name}", digest, source))
    return tuple(found)


def known_files(model: str) -> list[ModelFile]:
    """What a model's files have to be; nothing where nobody wrote that down."""
    return list(EMBEDDED[model].files) if is_embedded(model) else recorded_files(folder_of(model))


def source_of(model: str) -> str:
    """Where a model that is there comes from; empty where nobody wrote that down."""
    if is_embedded(model):
        return EMBEDDED[model].source
    try:
        return str(json.loads((folder_of(model) / RECORD).read_text(encoding="utf-8"))["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def recorded_files(folder: Path) -> list[ModelFile]:
    """The files that the record of a model's folder lists; none where it has no record."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        return [ModelFile(name, int(one["size"]), str(one["sha256"])) for name, one in record["files"].items()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(folder / RECORD, "is no record of a model.", hint="Fetch the model again.") from error


def _absent(model: str) -> PreconditionError | UsageError:
    if is_path(model):
        return PreconditionError(
            f"There is no speech model in {folder_of(model)}.",
            hint="Name a folder that holds one, or a model by its name.",
        )
    if model not in KNOWN:
        close = difflib.get_close_matches(model, KNOWN, 1)
        hint = f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(KNOWN)}; or give a folder."
        return UsageError(f"There is no speech model {model!r}.", hint=hint)
    setup = "`scripts/setup audio_env` or " if model in EMBEDDED else ""
    return PreconditionError(
        f"The speech model {model} is not here.", hint=f"Run {setup}`scripts/workflow models fetch {model}`."
    )


def _unusable(model: str, why: str) -> PreconditionError:
    if is_embedded(model):
        return PreconditionError(f"The speech model {model} {why}.", hint="Run `scripts/setup audio_env`.")
    again = f"Run `scripts/workflow models fetch {model}` again." if model in KNOWN else "Import it again."
    return PreconditionError(f"The speech model {name_of(model)} {why}.", hint=again)
