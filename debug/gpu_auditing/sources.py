"""The Python files below paths, and reading them however they are encoded."""

from __future__ import annotations

import ast
import os
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from debug.gpu_auditing.findings import Finding
from debug.gpu_auditing.names import Module
from workflow_scripts.common.errors import UsageError

#: Folders that hold no code of the tree itself.
SKIPPED = frozenset((".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", "node_modules", "__pycache__"))
#: Marks a virtual environment, whatever it is called.
_ENVIRONMENT = "pyvenv.cfg"


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Every Python file once, folders in order of names; links to folders are not followed.

    Virtual environments are left out unless they are named themselves. A folder that cannot be read comes out
    itself: reading it says why.

    Raises:
        UsageError: there is no such path.
    """
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder.")
        if not (path.is_file() or path.is_dir()):
            raise UsageError(f"{path}: this is neither a file nor a folder.")
        for file in [path] if path.is_file() else _below(path):
            real = file.resolve()
            if real not in seen:
                seen.add(real)
                yield file


def _below(folder: Path) -> Iterator[Path]:
    closed: list[Path] = []
    for place, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        if _ENVIRONMENT in names and Path(place) != folder:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = Path(place, name)
            if name.endswith((".py", ".pyw")) and path.is_file():
                yield path
    yield from closed


def read(path: Path, shown: str) -> Module | Finding:
    """A file, or what is wrong with it where it cannot be read."""
    try:
        with tokenize.open(path) as stream:
            text = stream.read()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code that is read, not of ours
            return Module(shown, text, ast.parse(text), path)
    except SyntaxError as error:
        line, column = error.lineno or 1, max(error.offset or 1, 1)
        said = error.msg.partition(" for '")[0]  # the path stands before the message already
        return Finding(shown, line, column, "GPU000", f"This is no Python: {said}.", line)
    except (ValueError, RecursionError, MemoryError) as error:
        return Finding(shown, 1, 1, "GPU000", f"The file cannot be read: {type(error).__name__}: {error}.", 1)
    except OSError as error:
        return Finding(shown, 1, 1, "GPU000", f"The file cannot be read: {error.strerror}.", 1)
