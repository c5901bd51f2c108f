"""What is in the environments: their state, the steps that run in them, the versions that matter."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.environments import ROOT, Environment, State, Status, environments, notes_of, state
from services.environments.spec import normalise
from services.environments.state import absent, read_stamp
from services.pipeline import StepDefinition

_WANTED = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Package:
    """An installed package; `main` where the environment was asked for it by name."""

    name: str
    version: str
    main: bool


@dataclass(frozen=True)
class EnvironmentFacts:
    """One environment; `python`, `torch` and `packages` are what setup noted when it made it.

    `steps` are the keys of the steps that run in it, `optional` is one that no step needs, `incomplete` one that
    works but lacks an asset.
    """

    name: str
    purpose: str
    optional: bool
    state: State
    python: str
    torch: str
    steps: tuple[str, ...]
    packages: tuple[Package, ...]
    notes: tuple[str, ...]
    incomplete: bool

    @property
    def main(self) -> tuple[Package, ...]:
        """The packages it was asked for by name."""
        return tuple(package for package in self.packages if package.main)

    @property
    def missing(self) -> bool:
        """Whether there is nothing yet."""
        return self.state.status is Status.MISSING


def facts(steps: Sequence[StepDefinition]) -> tuple[EnvironmentFacts, ...]:
    """All environments, optional ones too; starts no process."""
    return tuple(_of(environment, steps) for environment in environments())


def _of(environment: Environment, steps: Sequence[StepDefinition]) -> EnvironmentFacts:
    stamp = read_stamp(environment)
    wanted = _wanted(environment)
    names = [name.removesuffix(".dist-info").rpartition("-") for name in (stamp.installed if stamp else ())]
    packages = [Package(normalise(name), version, normalise(name) in wanted) for name, _, version in names]
    return EnvironmentFacts(
        name=environment.name,
        purpose=environment.purpose,
        optional=environment.optional,
        state=state(environment.name, ROOT),
        python=stamp.python if stamp else "",
        torch=stamp.torch if stamp else "",
        steps=tuple(step.key for step in steps if step.environment == environment.name),
        packages=tuple(sorted(packages, key=lambda package: package.name)),
        notes=notes_of(environment.name),
        incomplete=stamp is not None and bool(absent(environment)),
    )


def _wanted(environment: Environment) -> frozenset[str]:
    """The packages that <name>.in asks for."""
    try:
        lines = (environment.locks / f"{environment.name}.in").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    found = [match[0] for line in lines if (match := _WANTED.match(line))]
    return frozenset(map(normalise, found))
