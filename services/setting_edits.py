"""Changing a setting where it belongs: a step's in its parameter file, the house's in `.env`.

The file is replaced as a whole, everything else in it stays as it is, and the former one is kept among the logs.
A value that the step itself would refuse is not written.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services import dotenv_file
from services.pipeline import Pipeline, StepDefinition
from services.setting_rows import HOUSE, Group, SettingRow, house_group, step_group
from services.step_facts import StepFacts, refusal
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.errors import PreconditionError, UsageError, WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import config_folder, logs_folder
from workflow_scripts.common.settings import Parameter, read_config

#: Former files that are kept.
KEPT = 50
_LOG = logging.getLogger("workflow.web")


class Changed(WorkflowError):
    """Raised when a setting is no longer what the person saw who changes it."""


def group_of(pipeline: Pipeline, facts: StepFacts, owner: str) -> Group:
    """The settings of an owner as they are now.

    Raises:
        UsageError: there is no such owner.
    """
    if owner == HOUSE:
        return house_group()
    pipeline.check([owner])
    return step_group(pipeline[owner], facts)


def change(pipeline: Pipeline, facts: StepFacts, owner: str, name: str, text: str | None, seen: str) -> SettingRow:
    """Give a setting a value, or its default; the setting as it is then.

    Args:
        pipeline: the steps.
        facts: what they tell.
        owner: HOUSE or the key of a step.
        name: the setting.
        text: the value as a person writes it; None for the default.
        seen: `SettingRow.seen` of when the person decided.

    Raises:
        Changed: somebody changed it meanwhile.
        UsageError: there is no such setting, it is not changed here, or the value is not allowed.
        PreconditionError: the step cannot be asked.
    """
    if text is not None and printable(text) != text:
        raise UsageError(f"{name}: a value must be one line without control characters.")
    with _one_at_a_time():
        group = group_of(pipeline, facts, owner)
        if group.problem and not group.rows:
            raise PreconditionError(group.problem, hint=group.hint)
        row = group.row(name)
        if row.lock:
            raise UsageError(f"{name} is not changed here.", hint=f"It comes from: {row.origin}.")
        if row.seen != seen:
            raise Changed(
                f"{name} was changed meanwhile.", hint="Look at what it is now and decide again.", retry=True
            )
        if owner == HOUSE:
            _change_house(pipeline, row.parameter, text)
        else:
            _change_step(pipeline[owner], group, row.parameter, text, facts)
        after = group_of(pipeline, facts, owner).row(name)
    _LOG.info("%s", printable(f"setting {owner} {name}: {row.value!r} is now {after.value!r} ({after.origin})"))
    return after


def _change_house(pipeline: Pipeline, parameter: Parameter, text: str | None) -> None:
    path, variable = dotenv_file.path(), parameter.env or ""
    if text is not None and text != "":
        parameter.parse(text, f".env {variable}")
        if parameter.name == "inbox_steps":
            pipeline.select(text)
    before = path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""
    after = dotenv_file.changed(before, variable, text or None)
    _keep(path)
    _replace(path, after.encode("utf-8", "surrogateescape"), new_mode=0o600)
    dotenv_file.reload()


def _change_step(
    step: StepDefinition, group: Group, parameter: Parameter, text: str | None, facts: StepFacts
) -> None:
    path = facts.parameters(step).file
    table = [row.parameter for row in group.rows]
    before, content = path.read_text(encoding="utf-8"), read_config(path, table)
    if text is None and parameter.name not in content:
        return
    value = parameter.default if text is None else typed(parameter, text)
    after = with_entry(before, parameter.name, value)
    with tempfile.TemporaryDirectory() as folder:
        candidate = Path(folder) / config_folder().name / path.name  # the step's sentence names the last two parts
        candidate.parent.mkdir()
        candidate.write_text(after, encoding="utf-8")
        said = refusal(step, candidate)
    if said and (not group.problem or f"{parameter.name} = " in said):
        raise UsageError(said)
    _keep(path)
    _replace(path, after.encode(), new_mode=0o644)


def typed(parameter: Parameter, text: str) -> Any:
    """What a person wrote, as it belongs into a parameter file; nonsense stays as it is, to be refused."""
    word = text.strip()
    if word in parameter.special:
        return word
    if word == "" and parameter.default is None:
        return None
    if parameter.type is bool:
        return {"true": True, "false": False}.get(word.lower(), word)
    try:
        if parameter.type is int:
            return int(word)
        if parameter.type is float:
            return float(word.replace(",", "."))
    except ValueError:
        return word
    return word


def with_entry(text: str, name: str, value: Any) -> str:
    """The text of a JSON object with one entry changed or added; where it can be, nothing else is touched."""
    content: dict[str, Any] = json.loads(text)
    wanted = {**content, name: value}
    shown = json.dumps(value, ensure_ascii=False)
    place = re.search(rf"(?<!\\){re.escape(json.dumps(name))}\s*:\s*", text)
    if place is not None:
        _, end = json.JSONDecoder().raw_decode(text, place.end())
        after = f"{text[: place.end()]}{shown}{text[end:]}"
        if _means(after, wanted):
            return after
    indent = re.search(r"\n([ \t]+)\S", text)
    return json.dumps(wanted, indent=indent[1] if indent else 1, ensure_ascii=False) + "\n"


def _means(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return bool(json.loads(text) == wanted)
    except ValueError:
        return False


def _keep(path: Path) -> None:
    """Put a copy of a file among the logs, for its owner's eyes alone."""
    if not path.is_file():
        return
    folder = _folder()
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    copy = folder / f"{stamp} {path.name.lstrip('.')}"
    shutil.copyfile(path, copy, follow_symlinks=True)
    copy.chmod(0o600)
    for old in sorted(folder.glob("[0-9]* *"))[:-KEPT]:
        old.unlink(missing_ok=True)


def _replace(path: Path, content: bytes, new_mode: int) -> None:
    """Write a file whole or not at all, with the rights that it had, where a link points."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777 if target.exists() else new_mode
    try:
        with atomic_writer(target, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
    except OSError as error:
        raise WorkflowError(f"{path.name}: cannot be written ({error.strerror}).") from error


def _folder() -> Path:
    folder = logs_folder() / "settings"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (_folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
