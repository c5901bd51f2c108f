"""The data folder's `.env`: which of its values are in use, and changing one line of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT, data_folder
from workflow_scripts.common.settings import Parameter, load_dotenv, read_dotenv, resolve

_DATA_DIR = "WORKFLOW_DATA_DIR"
_LINE = re.compile(r"(?P<before>\s*(?:export )?\s*)(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=(?P<value>.*)")
#: What needs quotes, so that the reader takes all of it.
_NEEDS_QUOTES = re.compile(r"^\s|\s$|^['\"]| #|^$")


def path() -> Path:
    """The file that this process read; it lies in the repository where it is itself what names the data folder."""
    return (ROOT if is_in_use(_DATA_DIR) else data_folder()) / ".env"


def is_in_use(name: str) -> bool:
    """Whether this process has a variable's value from the file, and not from its environment."""
    told = resolve((Parameter("value", str, None, "", env=name),), None, {})
    return told.origin("value").startswith(".env ")


def names_in_use() -> frozenset[str]:
    """The variables whose values this process has from the file."""
    return frozenset(name for name in list(os.environ) if is_in_use(name))


def reload() -> None:
    """Bring what this process has from the file up to date; those that it starts from now on see the same."""
    values = read_dotenv(path())
    for name in names_in_use() - {_DATA_DIR}:
        if name in values:
            os.environ[name] = values[name]
        else:
            os.environ.pop(name, None)
    if not is_in_use(_DATA_DIR):
        load_dotenv()


def changed(text: str, name: str, value: str | None) -> str:
    """The file's text with a variable set to a value, or without it (None); all other lines stay as they are.

    Raises:
        UsageError: no line of such a file can hold the value.
    """
    if value is not None and (len(f"{value}.".splitlines()) > 1 or printable(value) != value):
        raise UsageError(f"{name}: a value in .env must be one line.")
    lines = text.splitlines(keepends=True)
    places = [index for index, line in enumerate(lines) if (match := _LINE.match(line)) and match["name"] == name]
    if value is None:
        return "".join(line for index, line in enumerate(lines) if index not in places)
    if places:
        lines[places[-1]] = _with_value(lines[places[-1]], value)  # the last one counts
        return "".join(lines)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join([*lines, f"{name}={_quoted(value)}\n"])


def _with_value(line: str, value: str) -> str:
    """The line with another value; a comment behind it stays, before the line where the value needs quotes."""
    body = line.rstrip("\r\n")
    end = line[len(body) :]
    match = _LINE.match(body)
    assert match is not None, "only such lines are changed"
    old, quoted = match["value"].strip(), _quoted(value)
    had_quotes = len(old) >= 2 and old[0] == old[-1] and old[0] in "'\""
    before, mark, comment = (old, "", "") if had_quotes else match["value"].partition(" #")
    setting = f"{match['before']}{match['name']}={quoted}"
    if quoted != value:
        return (f"#{comment}{end or chr(10)}" if mark else "") + setting + end
    space = before[len(before.rstrip()) :] if mark else ""
    return f"{setting}{space}{mark}{comment}{end}"


def _quoted(value: str) -> str:
    return f'"{value}"' if _NEEDS_QUOTES.search(value) else value
