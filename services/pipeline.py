"""The graph of steps in config/workflow.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import ROOT, config_folder

SLOTS = ("cpu", "gpu")


@dataclass(frozen=True)
class StepDefinition:
    """One step of the graph; see config/workflow.toml for what each field means."""

    key: str
    number: str
    title: str
    script: str
    environment: str
    needs: tuple[str, ...]
    slot: str
    figures: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    optional: bool = False
    retry_after_s: tuple[float, ...] = (5.0, 25.0, 125.0)
    stall_s: float = 600.0
    kill_stalled: bool = False
    timeout_s: float | None = None

    @property
    def path(self) -> Path:
        """The script's file."""
        return ROOT / self.script


@dataclass(frozen=True)
class Pipeline:
    """The steps in the order of the file, which is an order in which they can run."""

    steps: tuple[StepDefinition, ...]

    def __getitem__(self, key: str) -> StepDefinition:
        return next(step for step in self.steps if step.key == key)

    def select(self, wanted: str | None) -> tuple[StepDefinition, ...]:
        """The steps a text names, in the order it names them: `3-5`, `1,3,6`, `6,4`, `STEP4`, `3-`, None for all.

        Raises:
            UsageError: a name or a range that is not in the graph.
        """
        if not wanted:
            return self.steps
        chosen: dict[int, None] = {}
        for part in wanted.split(","):
            first, dash, last = part.strip().partition("-")
            start = self._index(first) if first or not dash else 0
            end = start if not dash else self._index(last) if last else len(self.steps) - 1
            if end < start:
                raise UsageError(f"--steps {part.strip()}: the range runs backwards.")
            chosen.update(dict.fromkeys(range(start, end + 1)))
        return tuple(self.steps[index] for index in chosen)

    def named(self, wanted: str | None) -> frozenset[str]:
        """The steps that a text names one by one, not by a range or as all.

        Raises:
            UsageError: a name that is not in the graph.
        """
        single = [part for part in (wanted or "").split(",") if part.strip() and "-" not in part]
        return frozenset(self.steps[self._index(part)].key for part in single)

    def check(self, keys: Sequence[str]) -> None:
        """See that all keys are steps.

        Raises:
            UsageError: one is not.
        """
        unknown = [key for key in keys if key not in {step.key for step in self.steps}]
        if unknown:
            known = ", ".join(step.key for step in self.steps)
            raise UsageError(f"There is no step {', '.join(unknown)}; known are {known}.")

    def related(self, one: str, other: str) -> bool:
        """Whether one of two steps needs or follows the other, near or far: no project has both at once."""
        return one == other or one in self._before[other] or other in self._before[one]

    def all_needs(self, key: str) -> frozenset[str]:
        """Every step that must have run before a step, directly or not."""
        return self._needs[key]

    @cached_property
    def _needs(self) -> dict[str, frozenset[str]]:
        return self._closure({step.key: step.needs for step in self.steps})

    @cached_property
    def _before(self) -> dict[str, frozenset[str]]:
        """Every step that a step comes after, directly or not, because it needs it or follows it."""
        return self._closure({step.key: (*step.needs, *step.after) for step in self.steps})

    def _closure(self, direct: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
        found: dict[str, frozenset[str]] = {}
        for step in self.steps:  # what a step needs comes before it
            found[step.key] = frozenset(direct[step.key]).union(
                *(found.get(one, frozenset()) for one in direct[step.key])
            )
        return found

    def _index(self, name: str) -> int:
        word = name.strip().upper().removeprefix("STEP")
        for index, step in enumerate(self.steps):
            if word == step.number.upper():
                return index
        known = ", ".join(step.number for step in self.steps)
        raise UsageError(f"--steps: there is no step {name.strip()!r}; known are {known}.")


def load_pipeline(path: Path | None = None) -> Pipeline:
    """The graph in a file, config/workflow.toml if none is given.

    Raises:
        UsageError: the file is no TOML, a step lacks a field, or needs what does not come before it.
    """
    path = path or config_folder() / "workflow.toml"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("step", [])
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: cannot be read ({error}).") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path.name}: steps must be written as [[step]] tables.")
    steps: list[StepDefinition] = []
    for table in tables:
        steps.append(_step(path, table, {step.key for step in steps}))
    if not steps:
        raise UsageError(f"{path.name}: defines no step.")
    return Pipeline(tuple(steps))


#: How a field is written in the file: its kind there, and how it is kept.
_LISTS = ("needs", "after", "figures", "variables", "logs", "retry_after_s")
_NUMBERS = ("stall_s", "timeout_s")
_SWITCHES = ("kill_stalled", "optional")


def _step(path: Path, table: dict[str, Any], before: Collection[str]) -> StepDefinition:
    try:
        fields: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in table.items()}
        step = StepDefinition(**fields)
    except TypeError as error:
        name = table.get("key", "?")
        raise UsageError(f"{path.name}: step {name}: a field is missing or unknown ({error}).") from error
    wrong = [name for name, value in table.items() if not _is_right(name, value)]
    if wrong:
        raise UsageError(f"{path.name}: step {step.key}: {', '.join(wrong)} is of the wrong kind.")
    unknown = [need for need in (*step.needs, *step.after) if need not in before]
    if unknown or step.key in before:
        problem = f"needs {', '.join(unknown)}, which does not come before it" if unknown else "is defined twice"
        raise UsageError(f"{path.name}: {step.key} {problem}.")
    if step.slot not in SLOTS:
        raise UsageError(f"{path.name}: {step.key} asks for slot {step.slot!r}; known are {', '.join(SLOTS)}.")
    return step


def _is_right(name: str, value: Any) -> bool:
    """Whether a field's value is of the kind that it has in the file."""
    if name == "retry_after_s":
        return isinstance(value, list) and all(_is_seconds(one) for one in value)
    if name in _LISTS:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if name in _NUMBERS:
        return _is_seconds(value)
    return isinstance(value, bool if name in _SWITCHES else str)


def _is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def environments_of(steps: Sequence[StepDefinition]) -> list[str]:
    """The virtualenvs that steps need, each once."""
    return list(dict.fromkeys(step.environment for step in steps))
