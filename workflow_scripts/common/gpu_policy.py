"""Which GPUs may be used: config/gpu_policy.toml, and what it says of a GPU."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, get_args

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import ROOT, config_folder

NAME = "gpu_policy.toml"
NoneAllowed = Literal["cpu", "refuse"]
#: `01`, `01:00`, `01:00.0`, with or without a domain of four to eight digits before it; all hexadecimal.
_BUS = re.compile(
    r"(?:(?P<domain>[0-9a-f]{4,8}):)?(?P<bus>[0-9a-f]{1,2})"
    r"(?::(?P<device>[0-9a-f]{1,2})(?:\.(?P<function>[0-7]))?)?"
)
_BUS_PARTS = ("domain", "bus", "device", "function")
_EXAMPLES = {"names": "*RTX 3090*", "uuids": "GPU-0a1b2c3d", "buses": "01", "visible": "1"}
_UUID = re.compile(r"(gpu|mig)-[0-9a-f][0-9a-f/-]*|mig-gpu-[0-9a-f/-]+")


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG device of it; an empty text or None is what nobody tells.

    Args:
        number: its place on the bus among all, as `CUDA_DEVICE_ORDER=PCI_BUS_ID` counts.
        name: what its maker calls it.
        uuid: `GPU-…`, `MIG-…` for a MIG device.
        bus: its PCI address.
        memory: in bytes.
        part_of: the UUID of the GPU that a MIG device is a part of.
    """

    number: int
    name: str
    uuid: str = ""
    bus: str = ""
    memory: int | None = None
    part_of: str = ""

    @property
    def key(self) -> str:
        """What `CUDA_VISIBLE_DEVICES` and its lock call it: the UUID, the number where it has none."""
        return self.uuid or str(self.number)

    def __str__(self) -> str:
        facts = [f"{self.memory / 2**30:.0f} GB" if self.memory else "", f"bus {self.bus}" if self.bus else ""]
        said = ", ".join(fact for fact in (*facts, self.key) if fact)
        return f"{self.name} ({said})"


@dataclass(frozen=True)
class Selection:
    """GPUs by name pattern, by the beginning of their UUID, by PCI address; all in lower case."""

    names: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    buses: tuple[str, ...] = ()

    def matches(self, gpu: Gpu) -> dict[str, str | None]:
        """For each list that is not empty the entry that matches, None where none does."""
        found: dict[str, str | None] = {}
        if self.names:
            found["name"] = next((one for one in self.names if is_called(gpu, one)), None)
        if self.uuids:
            own = (gpu.uuid.lower(), gpu.part_of.lower())
            found["UUID"] = next((one for one in self.uuids if any(u.startswith(one) for u in own)), None)
        if self.buses:
            found["bus"] = next((one for one in self.buses if same_place(one, gpu.bus)), None)
        return found

    def unknown(self, gpu: Gpu) -> list[str]:
        """What this selects by and nobody tells of a GPU."""
        missing = {"UUID": bool(self.uuids) and not gpu.uuid, "bus": bool(self.buses) and not gpu.bus}
        return [what for what, is_missing in missing.items() if is_missing]


@dataclass(frozen=True)
class Policy:
    """What `config/gpu_policy.toml` says; memory in GB of 10^9 bytes. Without a word every GPU is allowed."""

    minimum_memory_gb: float = 0.0
    none_allowed: NoneAllowed = "cpu"
    allocator: str = ""
    forbidden: Selection = field(default_factory=Selection)
    allowed: Selection = field(default_factory=Selection)
    audit_visible: tuple[str, ...] = ()
    path: Path | None = None

    def objection(self, gpu: Gpu) -> str:
        """Why a GPU may not be used, as the end of a sentence about it; empty where it may be.

        What the policy must know to forbid a GPU, and nobody tells, counts as forbidden. Of memory that nobody
        tells a step learns when it has the GPU.
        """
        for what, entry in self.forbidden.matches(gpu).items():
            if entry is not None:
                return f"is forbidden by its {what} (“{entry}”)"
        for what in (*self.forbidden.unknown(gpu), *self.allowed.unknown(gpu)):
            return f"does not tell its {what}, by which the policy goes"
        for what, entry in self.allowed.matches(gpu).items():
            if entry is None:
                return f"is not among the allowed by its {what}"
        if gpu.memory is not None and gpu.memory < self.minimum_memory_gb * 1e9:
            return f"has less than {self.minimum_memory_gb:g} GB of memory"
        return ""


def is_called(gpu: Gpu, pattern: str) -> bool:
    """Whether a GPU's name is that of a pattern in lower case; one without `*` and `?` is a part of the name."""
    name = gpu.name.lower()
    return fnmatchcase(name, pattern) if re.search(r"[*?]", pattern) else pattern in name


def same_place(wanted: str, bus: str) -> bool:
    """Whether a PCI address, full or in part, means the place of a GPU."""
    asked, there = _BUS.fullmatch(wanted.lower()), _BUS.fullmatch(bus.lower())
    if asked is None or there is None:
        return False
    return all(int(asked[part], 16) == int(there[part] or "0", 16) for part in _BUS_PARTS if asked[part])


def policy_path() -> Path:
    """The policy's file: that of the configuration folder, else the one that comes with the product."""
    own = config_folder() / NAME
    return own if own.exists() else ROOT / "config" / NAME


def read_policy(path: Path | None = None) -> Policy:
    """The policy.

    Raises:
        UsageError: it cannot be read, or says something that it cannot mean; names the line or the table.
    """
    path = path or policy_path()
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: the GPU policy cannot be read ({error}).") from error
    return _Reader(path).policy(data)


class _Reader:
    """Turns the tables of one file into a policy; every complaint names the file and the place in it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def policy(self, data: Mapping[str, Any]) -> Policy:
        known = ("minimum_memory_gb", "none_allowed", "allocator", "forbidden", "allowed", "audit")
        self._only(data, known, "")
        tables = {name: self._table(data, name) for name in ("forbidden", "allowed", "audit")}
        self._only(tables["audit"], ("visible",), "[audit]")
        return Policy(
            minimum_memory_gb=self._gigabytes(data.get("minimum_memory_gb", 0)),
            none_allowed=self._none_allowed(data.get("none_allowed", "cpu")),
            allocator=self._text(data.get("allocator", ""), "allocator"),
            forbidden=self._selection(tables["forbidden"], "[forbidden]"),
            allowed=self._selection(tables["allowed"], "[allowed]"),
            audit_visible=self._texts(tables["audit"], "visible", "[audit]"),
            path=self._path,
        )

    def _selection(self, table: Mapping[str, Any], where: str) -> Selection:
        self._only(table, ("names", "uuids", "buses"), where)
        names, uuids, buses = (
            tuple(text.lower() for text in self._texts(table, kind, where)) for kind in ("names", "uuids", "buses")
        )
        for uuid in uuids:
            if not _UUID.fullmatch(uuid):
                raise self._error(f"{where} uuids: “{uuid}” is no UUID of a GPU", "They begin with GPU- or MIG-.")
        for bus in buses:
            if not _BUS.fullmatch(bus):
                raise self._error(
                    f"{where} buses: “{bus}” is no PCI address", 'Write "01", "01:00.0" or "0000:01:00.0".'
                )
        return Selection(names, uuids, buses)

    def _table(self, data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        table = data.get(name, {})
        if not isinstance(table, dict):
            raise self._error(f"{name} must be a table", f"Write [{name}] and its lists below.")
        return table

    def _only(self, table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
        known = list(known)
        for name in table:
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(known)}."
                raise self._error(f"{where} has no {name}".strip() if where else f"there is no {name}", hint)

    def _texts(self, table: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one.strip() for one in value):
            raise self._error(f"{where} {name} must be a list of texts", f'For example ["{_EXAMPLES[name]}"].')
        return tuple(one.strip() for one in value)

    def _text(self, value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise self._error(f"{name} must be a text")
        return value.strip()

    def _gigabytes(self, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise self._error("minimum_memory_gb must be a number of GB from 0")
        return float(value)

    def _none_allowed(self, value: Any) -> NoneAllowed:
        for known in get_args(NoneAllowed):
            if value == known:
                return known  # type: ignore[no-any-return]
        raise self._error('none_allowed must be "cpu" or "refuse"')

    def _error(self, text: str, hint: str = "") -> UsageError:
        return UsageError(f"{self._path.name}: {text}.", hint=hint)
