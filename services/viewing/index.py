"""An index: what a viewer needs of an artifact as arrays on the disk, of which any range is read at once.

A folder of `.npy` files, mapped into memory when read, and `meta.json`. It appears whole or not at all, and is
thrown away when the artifact has changed; a reader that still holds it is not disturbed.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.atomic import sync_folder, temporary_path

_META = "meta.json"
#: Seconds after which an unfinished index is one that nobody writes any more.
_ABANDONED_S = 3600.0


@dataclass(frozen=True)
class Index:
    """Arrays by name, read-only and mapped into memory, and the few facts beside them."""

    arrays: Mapping[str, NDArray[Any]]
    meta: Mapping[str, Any]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]


def index_path(folder: Path, kind: str, name: str, signature: str) -> Path:
    """Where the index of a result lies, given the signature of its files."""
    return folder / f"{kind}.{name}-{signature}"


def open_index(path: Path) -> Index | None:
    """The index in a folder; None when there is none, and what is damaged is removed."""
    if not path.is_dir():
        return None
    try:
        meta = json.loads((path / _META).read_text(encoding="utf-8"))
        arrays = {name: _mapped(path / f"{name}.npy") for name in meta["arrays"]}
    except (OSError, ValueError, KeyError, TypeError):
        shutil.rmtree(path, ignore_errors=True)
        return None
    return Index(arrays, meta)


def write_index(path: Path, index: Index) -> None:
    """Write an index under its name, whole; one that is there already stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    temporary.mkdir()
    try:
        for name, values in index.arrays.items():
            with (temporary / f"{name}.npy").open("wb") as stream:
                np.save(stream, values, allow_pickle=False)
                stream.flush()
                os.fsync(stream.fileno())
        with (temporary / _META).open("w", encoding="utf-8") as text:
            json.dump({**index.meta, "arrays": list(index.arrays)}, text)
            text.flush()
            os.fsync(text.fileno())
        sync_folder(temporary)
        if not path.is_dir():
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_stale(path: Path, results: Collection[str]) -> None:
    """Remove what the folder of an index holds besides it and is of no use any more.

    That is other indexes of the same result, those of the same kind whose result is none of `results` that are
    still there, and those that were begun long ago and not finished.
    """
    kind, result = _parts(path)
    for other in path.parent.iterdir():
        if other.name.startswith(".tmp-"):
            stale = _age(other) > _ABANDONED_S
        else:
            of = _parts(other)
            stale = other != path and of[0] == kind and (of[1] == result or of[1] not in results)
        if stale:
            shutil.rmtree(other, ignore_errors=True)


def runs_of(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Where marks of frames are set: (n, 2), half-open."""
    edges = np.diff(np.concatenate([[0], marks.astype(np.int8), [0]]))
    return np.stack([np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)], axis=1)


def _parts(path: Path) -> tuple[str, str]:
    """The kind and the result that an index is named after."""
    kind, _, rest = path.name.partition(".")
    return kind, rest.rpartition("-")[0]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _mapped(path: Path) -> NDArray[Any]:
    """An array of a file; an empty one cannot be mapped and is read."""
    values: NDArray[Any] = np.load(path, allow_pickle=False, mmap_mode=None if path.stat().st_size < 4096 else "r")
    return np.asarray(values)  # still mapped; a plain array is quicker to cut than a memmap
