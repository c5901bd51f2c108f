"""The virtual environments of the steps: which there are, whether they are ready, where their Python is.

`scripts/setup` makes them (`python -m services.environments`, standard library only: it runs before any of them
exists). Everybody else asks:

    environments()            all of them, in the order in which they are made
    load_states()             ready, missing, unfinished, outdated or broken, and why; takes milliseconds
    python_of("audio_env")    its interpreter, for starting a step in it
"""

from __future__ import annotations

from pathlib import Path

from services.environments.nvidia import nvidia_gpus
from services.environments.spec import ROOT, Environment, load
from services.environments.state import State, Status
from services.environments.state import notes as _notes
from services.environments.state import state as _state
from workflow_scripts.common.errors import UsageError

__all__ = [
    "ROOT",
    "Environment",
    "State",
    "Status",
    "environments",
    "find",
    "load_states",
    "notes_of",
    "nvidia_gpus",
    "python_of",
    "state",
]


def environments(root: Path = ROOT) -> tuple[Environment, ...]:
    """The environments that config/envs/environments.toml describes."""
    return load(root).environments


def find(name: str, root: Path = ROOT) -> Environment:
    """One environment by name; raises UsageError when there is none of that name."""
    known = environments(root)
    for environment in known:
        if environment.name == name:
            return environment
    names = ", ".join(environment.name for environment in known)
    raise UsageError(f"There is no environment “{name}”; there are {names}.")


def state(name: str, root: Path = ROOT) -> State:
    """Whether an environment is what its lock says; starts no process. An outdated one still works."""
    return _state(find(name, root))


def load_states(root: Path = ROOT) -> tuple[State, ...]:
    """The state of every environment that the pipeline needs."""
    return tuple(_state(environment) for environment in load(root).required)


def python_of(name: str, root: Path = ROOT) -> Path:
    """The interpreter inside an environment, whether it exists or not."""
    return find(name, root).python


def notes_of(name: str, root: Path = ROOT) -> tuple[str, ...]:
    """What setup had to do or leave out, as sentences; empty when there is nothing to tell."""
    return _notes(find(name, root))
