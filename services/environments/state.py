"""Whether an environment is what its lock says, told from a stamp inside it in a few milliseconds."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from services.environments.spec import Asset, Environment, read_lock

SETUP_VERSION = 1
"""Raised when this package installs something differently, so that existing environments are brought up to date."""

STAMP = ".workflow-env.json"


class Status(Enum):
    """What setup has to do: nothing, make it, finish it, bring it up to date, or remake it."""

    READY = "ready"
    MISSING = "missing"
    UNFINISHED = "unfinished"
    OUTDATED = "outdated"
    BROKEN = "broken"


@dataclass(frozen=True)
class State:
    """Status of one environment, with the reason as half a sentence.

    `ours` is false for a folder that setup did not make.
    """

    name: str
    status: Status
    reason: str = ""
    ours: bool = True

    @property
    def ready(self) -> bool:
        return self.status is Status.READY


@dataclass(frozen=True)
class Stamp:
    """What setup notes inside an environment.

    `key` is the hash of all that went in; `torch` the build that was wanted (`cpu`, `cuda` or empty);
    `locked` the package names of the locks; `installed` the names of the `.dist-info` folders found at the end.
    """

    path: str
    finished: bool = False
    key: str = ""
    python: str = ""
    torch: str = ""
    layers: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()
    installed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_stamp(environment: Environment) -> Stamp | None:
    """The stamp, or None when there is none or it cannot be understood."""
    try:
        table: dict[str, Any] = json.loads((environment.path / STAMP).read_text(encoding="utf-8"))
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in table.items()
        }
        return Stamp(**fields)
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def write_stamp(environment: Environment, stamp: Stamp) -> None:
    """Replace the stamp atomically."""
    path = environment.path / STAMP
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(stamp), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def key(environment: Environment, layers: Iterable[str]) -> str:
    """Hash of everything that decides what ends up in the environment, but for torch's build."""
    project = tomllib.loads((environment.locks.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    parts = {
        "setup": SETUP_VERSION,
        "locks": {lock.stem: [pin.requirement for pin in read_lock(lock)] for lock in locks(environment, layers)},
        "assets": [asdict(asset) for asset in environment.assets],
        "editable": [
            project.get("build-system"),
            project.get("project"),
            project.get("tool", {}).get("setuptools"),
        ],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def locks(environment: Environment, layers: Iterable[str]) -> list[Path]:
    """The lock files of an environment with those layers, its own first."""
    return [environment.lock(), *(environment.lock(layer) for layer in sorted(layers))]


def installed(environment: Environment) -> tuple[str, ...]:
    """Names of the `.dist-info` folders, such as `numpy-1.26.4.dist-info`, sorted."""
    return tuple(sorted(path.name for path in environment.site_packages.glob("*.dist-info")))


def notes(environment: Environment) -> tuple[str, ...]:
    """What setup had to do or leave out, and what is not in its place, as sentences; assets are told by sizes."""
    stamp = read_stamp(environment)
    if stamp is None:
        return ()
    return (*stamp.notes, *(f"{environment.name}: {asset.lack}." for asset in absent(environment)))


def absent(environment: Environment) -> list[Asset]:
    """The assets that are not in their place, as the sizes of their files tell."""
    return [asset for asset in environment.assets if not _is_there(environment, asset)]


def _is_there(environment: Environment, asset: Asset) -> bool:
    paths = [(environment.path / asset.folder / file.name, file.size) for file in asset.files]
    return all(path.is_file() and path.stat().st_size == size for path, size in paths)


def state(environment: Environment, layers: Iterable[str] = (), torch: str = "") -> State:
    """Compare an environment with its lock, without starting any process.

    Args:
        layers: layers that must be there (`dev`, `lint`); more do no harm.
        torch: the build of torch that must be there, `cpu` or `cuda`; empty when any will do.
    """
    if not environment.path.exists() or (environment.path.is_dir() and not any(environment.path.iterdir())):
        return State(environment.name, Status.MISSING)
    stamp = read_stamp(environment)
    if stamp is None:
        return State(environment.name, Status.BROKEN, "scripts/setup did not make this folder", ours=False)
    status, reason = _compare(environment, stamp, frozenset(layers), torch)
    return State(environment.name, status, reason)


def _compare(environment: Environment, stamp: Stamp, layers: frozenset[str], torch: str) -> tuple[Status, str]:
    if stamp.path != str(environment.path):
        return Status.BROKEN, "the folder was moved or copied"
    if not stamp.finished:
        return Status.UNFINISHED, "setup was interrupted"
    if not environment.python.exists():
        return Status.BROKEN, "the Python it was made with is gone"
    gone = sorted(set(stamp.installed) - set(installed(environment)))
    if gone:
        return Status.OUTDATED, f"{gone[0].removesuffix('.dist-info')} was removed or replaced"
    if torch and stamp.torch and stamp.torch != torch:
        return Status.OUTDATED, f"it holds the {stamp.torch} build of torch, not the {torch} build"
    if not layers <= set(stamp.layers):
        return Status.OUTDATED, f"{', '.join(sorted(layers - set(stamp.layers)))} not installed"
    if stamp.key != key(environment, stamp.layers):
        return Status.OUTDATED, "its lock or the way it is set up changed"
    return Status.READY, ""
