"""Every setting as people see it: value, origin, meaning, what is allowed, and whether it may be changed.

Values of a step are written into its parameter file, those of the house into `.env`; what the environment sets
comes before either and is not changed here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from services import dotenv_file
from services.configuration import GENERAL
from services.pipeline import StepDefinition
from services.step_facts import StepFacts
from workflow_scripts.common.errors import UsageError, WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.settings import Parameter, read_config, read_dotenv, resolve

#: The owner of the settings that are not one step's.
HOUSE = "general"
#: When a changed value counts: at once, for steps that begin from now on, once the worker or the server was started
#: again, or when environments are made the next time.
Effect = Literal["now", "begin", "worker", "server", "setup"]
#: Why a setting is not changed here: a variable of the environment or of `.env` comes first; it decides where
#: everything lies or who can reach the server, or names a program to run.
Lock = Literal["", "environment", "dotenv", "place", "reach", "program"]
_HOUSE_LOCKS: dict[str, Lock] = {
    **dict.fromkeys(("data_dir", "config_dir"), "place"),
    **dict.fromkeys(("web_host", "web_port", "web_names", "web_token"), "reach"),
    **dict.fromkeys(("ffmpeg", "python"), "program"),
}
_HOUSE_EFFECTS: dict[str, Effect] = {
    **dict.fromkeys(
        ("ffmpeg", "cpu_slots", "history_days", "watch_inbox", "inbox_steps", "inbox_quiet_s"), "worker"
    ),
    **dict.fromkeys(("torch", "python"), "setup"),
    **dict.fromkeys(("upload_max_gb", "upload_keep_days"), "now"),
}


@dataclass(frozen=True)
class SettingRow:
    """One setting.

    Args:
        owner: the key of a step, or HOUSE.
        parameter: its name, kind, default and allowed values.
        value: the effective value as it may be shown; None is not set.
        origin: where that comes from.
        effect: when a changed value counts.
        lock: why it is not changed here; empty where it is.
        seen: a digest of what its file says of it, so that nobody overwrites what he has not seen.
        problem: why the value is not allowed.
    """

    owner: str
    parameter: Parameter
    value: Any
    origin: str
    effect: Effect
    lock: Lock
    seen: str
    problem: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether the value is not the default."""
        default = self.parameter.default
        return bool(self.value != (str(default) if isinstance(default, Path) else default))

    @property
    def variable(self) -> str:
        """The variable that sets it now, or the one that could."""
        last = self.origin.rpartition(" ")[2]
        return last if last in self.parameter.variables else self.parameter.env or ""


@dataclass(frozen=True)
class Group:
    """The settings of one owner.

    `file` is the file that changed values are written to; `problem` says why a step refuses its values or cannot be
    asked, and `hint` what to do. `raw` is what the file of a step that cannot be asked says: names and JSON.
    """

    owner: str
    file: str
    rows: tuple[SettingRow, ...]
    problem: str = ""
    hint: str = ""
    raw: tuple[tuple[str, str], ...] = ()

    def row(self, name: str) -> SettingRow:
        """One of its settings.

        Raises:
            UsageError: it has none of that name.
        """
        for row in self.rows:
            if row.parameter.name == name:
                return row
        raise UsageError(f"{self.owner}: there is no setting {printable(name)!r}.")


def house_group(table: Sequence[Parameter] = GENERAL) -> Group:
    """The settings of the house; what `.env` says now counts."""
    dotenv_file.reload()
    values = read_dotenv(dotenv_file.path())
    return Group(HOUSE, ".env", tuple(_of_house(parameter, values) for parameter in table))


def _of_house(parameter: Parameter, dotenv: dict[str, str]) -> SettingRow:
    problem, value, origin = "", None, ""
    try:
        found = resolve((parameter,), None, {})
        value, origin = found.shown(parameter.name), found.origin(parameter.name)
    except UsageError as error:
        problem, origin = error.message, f".env {parameter.env}"
    lock = _HOUSE_LOCKS.get(parameter.name, "reach" if parameter.secret else "")
    return SettingRow(
        owner=HOUSE,
        parameter=parameter,
        value=value,
        origin=origin,
        effect=_HOUSE_EFFECTS.get(parameter.name, "server"),
        lock=lock or ("environment" if origin.startswith("environment ") else ""),
        seen=digest(dotenv.get(parameter.env or "")),
        problem=problem,
    )


def step_group(step: StepDefinition, facts: StepFacts) -> Group:
    """The settings of a step, as it tells them itself; where it cannot, why."""
    try:
        told = facts.parameters(step)
    except WorkflowError as error:
        return _unasked(step, printable(error.message), printable(error.hint))
    file = f"{told.file.parent.name}/{told.file.name}"
    try:
        content = read_config(told.file, told.parameters)
    except UsageError:
        content = {}
    rows = tuple(
        _of_step(step, parameter, told.values.get(parameter.name), content) for parameter in told.parameters
    )
    return Group(step.key, file, rows, told.problem)


def _unasked(step: StepDefinition, problem: str, hint: str) -> Group:
    """A step that cannot be asked: what its file says, unchecked."""
    path = next(iter(config_folder().glob(f"step{step.number.lower()}_*.json")), None)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path else {}
        raw = tuple((printable(name), printable(json.dumps(value))) for name, value in content.items())
    except (OSError, ValueError, AttributeError):
        raw = ()
    return Group(step.key, f"{path.parent.name}/{path.name}" if path else "", (), problem, hint, raw)


def _of_step(
    step: StepDefinition, parameter: Parameter, told: tuple[Any, str] | None, content: dict[str, Any]
) -> SettingRow:
    value, origin = told if told is not None else (content.get(parameter.name), "")
    lock: Lock = "environment" if origin.startswith("environment ") else ""
    lock = "dotenv" if origin.startswith(".env ") else lock
    return SettingRow(
        owner=step.key,
        parameter=parameter,
        value="(hidden)" if parameter.secret and value else value,
        origin=origin,
        effect="begin",
        lock=lock,
        seen=digest(content.get(parameter.name)) if parameter.name in content else digest(_ABSENT),
    )


_ABSENT = ["absent"]


def digest(entry: Any) -> str:
    """What stands for an entry of a file: the same for the same entry."""
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()[:16]
