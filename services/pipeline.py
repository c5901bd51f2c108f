"""The graph of steps in config/workflow.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
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
        """The steps a text names, in the graph's order: `3-5`, `1,3,6`, `STEP4`, `3-` or None for all.

        Raises:
            UsageError: a name or a range that is not in the graph.
        """
        if not wanted:
            return self.steps
        chosen: set[int] = set()
        for part in wanted.split(","):
            first, dash, last = part.strip().partition("-")
            start = self._index(first) if first or not dash else 0
            end = start if not dash else self._index(last) if last else len(self.steps) - 1
            if end < start:
                raise UsageError(f"--steps {part.strip()}: the range runs backwards.")
            chosen.update(range(start, end + 1))
        return tuple(self.steps[index] for index in sorted(chosen))

    def ready(self, waiting: Collection[str], running: Collection[str]) -> list[StepDefinition]:
        """The waiting steps none of whose needs, near or far, is still waiting or running."""
        unfinished = {*waiting, *running}
        return [s for s in self.steps if s.key in waiting and not unfinished & self.all_needs(s.key)]

    def all_needs(self, key: str) -> set[str]:
        """Every step that must have run before a step, directly or not."""
        direct = self[key].needs
        return set(direct).union(*(self.all_needs(need) for need in direct))

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


def _step(path: Path, table: dict[str, Any], before: Collection[str]) -> StepDefinition:
    try:
        lists = {"needs": tuple(table["needs"]), "figures": tuple(table.get("figures", ()))}
        step = StepDefinition(**{**table, **lists})
    except (TypeError, KeyError) as error:
        name = table.get("key", "?")
        raise UsageError(f"{path.name}: step {name}: a field is missing or unknown ({error}).") from error
    wrong = [name for name, value in table.items() if not isinstance(value, list if name in lists else str)]
    if wrong:
        raise UsageError(f"{path.name}: step {step.key}: {', '.join(wrong)} is of the wrong kind.")
    unknown = [need for need in step.needs if need not in before]
    if unknown or step.key in before:
        problem = f"needs {', '.join(unknown)}, which does not come before it" if unknown else "is defined twice"
        raise UsageError(f"{path.name}: {step.key} {problem}.")
    if step.slot not in SLOTS:
        raise UsageError(f"{path.name}: {step.key} asks for slot {step.slot!r}; known are {', '.join(SLOTS)}.")
    return step


def environments_of(steps: Sequence[StepDefinition]) -> list[str]:
    """The virtualenvs that steps need, each once."""
    return list(dict.fromkeys(step.environment for step in steps))
