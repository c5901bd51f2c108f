"""The speech models of this machine: listed, fetched, verified, imported; nothing else needs the network."""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from services import hub
from workflow_scripts.common.atomic import atomic_writer, sync_folder
from workflow_scripts.common.errors import PreconditionError, UsageError, WorkflowError
from workflow_scripts.common.manifest import file_sha256
from workflow_scripts.common.speech_models import (
    EMBEDDED,
    KNOWN,
    NEEDED,
    OPTIONAL,
    RECORD,
    VOCABULARIES,
    ModelFile,
    find_model,
    folder_of,
    is_embedded,
    known_files,
    missing_files,
    model_files,
    models_folder,
    records_of,
    source_of,
)

State = Literal["here", "not here", "begun", "damaged"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
#: Space that has to stay free, in bytes.
_RESERVE = 200e6

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and their total."""


@dataclass(frozen=True)
class ModelState:
    """A model by name: whether it is here, its bytes (about, where it is not), and what is wrong with it."""

    name: str
    state: State
    size: float
    source: str
    problem: str = ""


def models() -> list[ModelState]:
    """Every model that can be fetched, and those that were imported; sizes are looked at, contents are not."""
    folder = models_folder()
    there = sorted(p.name for p in folder.iterdir() if _NAME.fullmatch(p.name)) if folder.is_dir() else []
    return [_state(name) for name in (*KNOWN, *(name for name in there if name not in KNOWN))]


def here(name: str) -> Path | None:
    """The folder of a model that is here and, its content read, what it was; None otherwise."""
    try:
        records_of(name)
        return find_model(name)
    except WorkflowError:
        return None


def fetch(name: str, progress: Progress, *, wait: Callable[[float], None] = hub.pause) -> Path:
    """Fetch a model by name, unless it is here; what an interrupted call has fetched is not fetched again.

    Raises:
        UsageError: there is no such model.
        PreconditionError: it cannot be had.
        WorkflowError: what came is not what was promised.
    """
    if name not in KNOWN:
        raise UsageError(f"There is no speech model {name!r} to fetch.", hint=f"Known are {', '.join(KNOWN)}.")
    if folder := here(name):
        return folder
    with _making(name) as part:
        there = hub.listing(KNOWN[name].repository)
        files = [file for file in there.files if file.name in (*NEEDED, *VOCABULARIES, *OPTIONAL)]
        total, done = hub.total(files), 0
        _check_space(part, total - sum(path.stat().st_size for path in model_files(part)))
        for file in files:
            so_far = partial(_tell, progress, done, total)
            hub.fetch_file(there, file, part / file.name, so_far, wait)
            done += file.size
            progress(done, total)
        return _finish(part, name, f"{there.repository} at {there.revision}")


def import_folder(folder: Path, name: str | None = None) -> Path:
    """Copy a model from a folder to where models lie, under its folder's name or another.

    Raises:
        UsageError: the folder holds no model, or the name is taken or none.
    """
    name = name or folder.absolute().name
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a model.", hint="Use letters, figures, dots and dashes.")
    absent = missing_files(folder)
    if absent:
        raise UsageError(f"{folder}: is no speech model in CTranslate2's format; it lacks {', '.join(absent)}.")
    if (models_folder() / name).exists():
        raise UsageError(f"There is a model {name} already.", hint="Give another name.")
    with _making(name) as part:
        files = model_files(folder)
        _check_space(part, sum(path.stat().st_size for path in files))
        for path in files:
            shutil.copyfile(path, part / path.name)
        return _finish(part, name, f"imported from {folder.absolute()}")


def verify(name: str) -> str:
    """Read a model's files and compare them with its record; a sentence that says what they are.

    Raises:
        UsageError, PreconditionError: it is not here, or not what it was.
    """
    found = records_of(name)
    if not known_files(name):
        return f"{name}: {len(found)} files, without a record to compare them with."
    return f"{name}: {len(found)} files are what they were ({_origin(name)})."


def _tell(progress: Progress, before: int, total: int, now: int) -> None:
    progress(before + now, total)


def _state(name: str) -> ModelState:
    folder = folder_of(name)
    known = KNOWN.get(name)
    about = known.megabytes * 1e6 if known else 0.0
    source = known.repository if known else ""
    if not folder.is_dir():
        begun = (models_folder() / f".part-{name}").is_dir()
        return ModelState(name, "begun" if begun else "not here", about, source)
    size = float(sum(path.stat().st_size for path in model_files(folder)))
    try:
        find_model(name)
    except WorkflowError as error:
        return ModelState(name, "damaged", size, source, str(error))
    return ModelState(name, "here", size, _origin(name) or source)


def _origin(name: str) -> str:
    """Where a model that is here comes from, in words."""
    source = source_of(name)
    return f"comes with audio_env: {source}, {EMBEDDED[name].licence}" if is_embedded(name) else source


@contextmanager
def _making(name: str) -> Iterator[Path]:
    """The folder in which a model is put together, held by this process; it stays when that is interrupted."""
    part = models_folder() / f".part-{name}"
    part.mkdir(parents=True, exist_ok=True)
    with (models_folder() / f".{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PreconditionError(f"Another process is fetching the speech model {name}.") from error
        part.mkdir(exist_ok=True)
        yield part


def _finish(part: Path, name: str, source: str) -> Path:
    """Write the record and give the folder its name, in place of what was damaged there."""
    absent = missing_files(part)
    if absent:
        raise WorkflowError(f"The speech model {name} is not complete: it lacks {', '.join(absent)}.")
    files = [ModelFile(path.name, path.stat().st_size, file_sha256(path)) for path in model_files(part)]
    listed: Mapping[str, object] = {file.name: {"size": file.size, "sha256": file.sha256} for file in files}
    with atomic_writer(part / RECORD) as stream:
        json.dump({"name": name, "source": source, "files": listed}, stream, indent=1)
        stream.write("\n")
    target, old = models_folder() / name, models_folder() / f".old-{name}"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    part.rename(target)
    sync_folder(models_folder())
    shutil.rmtree(old, ignore_errors=True)
    return target


def _check_space(folder: Path, needed: float) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _RESERVE > free:
        text = f"{folder.parent}: {needed / 1e6:.0f} MB are to come and {free / 1e6:.0f} MB are free."
        raise PreconditionError(text, hint="Make room, or set WORKFLOW_MODELS_DIR.")
