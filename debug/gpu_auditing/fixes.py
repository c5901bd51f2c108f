"""Writing what is mechanical into the files, each kept beside as it was."""

from __future__ import annotations

import ast
import errno
import re
import shutil
import tokenize
from collections.abc import Callable, Iterable
from pathlib import Path

from debug.gpu_auditing.findings import Edit, Finding
from workflow_scripts.common.atomic import replace, temporary_path

#: One edit at a place may make room for the next; more rounds than this are none that end.
_ROUNDS = 20


def fix(path: Path, find: Callable[[Path], list[Finding]]) -> int:
    """Mend a file until nothing mechanical is left; returns how many findings were mended.

    The file as it was is kept as `NAME.bak` (`.bak1`, … where there is one). Encoding, line ends and permissions
    stay. Nothing is written where the result would be no Python.

    Args:
        path: the file.
        find: the findings in a file, those that are suppressed left out.

    Raises:
        OSError: the file cannot be written, or is marked as one that is not to be.
    """
    if not any(finding.edit for finding in find(path)):
        return 0
    if not path.stat().st_mode & 0o222:
        raise PermissionError(errno.EACCES, "it is read-only", str(path))
    with path.open("rb") as stream:
        encoding = tokenize.detect_encoding(stream.readline)[0]
    before = path.read_bytes()
    count = 0
    for _ in range(_ROUNDS):
        edits = [finding.edit for finding in find(path) if finding.edit is not None]
        chosen = _apart(edits)
        if not chosen:
            break
        mended = _edited(path.read_bytes().decode(encoding), chosen)
        try:
            ast.parse(mended)
        except (SyntaxError, ValueError):
            break
        if not count:
            _keep(path, before)
        _write(path, mended.encode(encoding))
        count += len(chosen)
    return count


def _apart(edits: Iterable[Edit]) -> list[Edit]:
    """Edits that do not touch each other, the last in the file first; of those at one place one."""
    chosen: list[Edit] = []
    in_turn = sorted(set(edits), key=lambda one: one.text)
    for edit in sorted(in_turn, key=lambda one: (one.line, one.column), reverse=True):
        if not chosen or (edit.end_line, edit.end_column) < (chosen[-1].line, chosen[-1].column):
            chosen.append(edit)
    return chosen


def _edited(text: str, edits: Iterable[Edit]) -> str:
    """A text with edits made, those further down first; new lines end as the others do."""
    rows = re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)  # as Python counts: a form feed ends no line
    end = rows[0][len(rows[0].rstrip("\r\n")) :] or "\n" if rows else "\n"
    for edit in edits:
        head = rows[edit.line - 1].encode()[: edit.column].decode()
        tail = rows[edit.end_line - 1].encode()[edit.end_column :].decode()
        rows[edit.line - 1 : edit.end_line] = [head + edit.text.replace("\n", end) + tail]
    return "".join(rows)


def _keep(path: Path, content: bytes) -> None:
    number = 0
    while (backup := path.with_name(f"{path.name}.bak{number or ''}")).exists():
        number += 1
    backup.write_bytes(content)
    shutil.copymode(path, backup)


def _write(path: Path, content: bytes) -> None:
    target = path.resolve()
    temporary = temporary_path(target)
    temporary.write_bytes(content)
    shutil.copymode(target, temporary)
    replace(temporary, target)
