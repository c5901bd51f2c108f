"""The NVIDIA GPUs of this machine, found without torch and before it, as nvidia-smi tells them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from workflow_scripts.common.gpu_policy import Gpu

_FIELDS = ("index", "name", "uuid", "pci.bus_id", "memory.total")
_MIG_FIELD = "mig.mode.current"
_GPU_LINE = re.compile(r"GPU (?P<number>\d+): .*\(UUID: (?P<uuid>[^)]+)\)")
_MIG_LINE = re.compile(
    r"\s+MIG (?P<profile>\S*?(?P<gb>\d+)gb\S*)\s+Device\s+\d+: \(UUID: (?P<uuid>MIG-[^)]+)\)", re.IGNORECASE
)
_LIMIT_S = 20
#: What nvidia-smi says in other words, and what helps.
_KNOWN_TROUBLES = (
    ("version mismatch", "The driver was updated while it ran: restart the machine."),
    ("insufficient permissions", "Let this user read and write /dev/nvidia*."),
    ("couldn't communicate", "Install the driver for this kernel, or load it (modprobe nvidia)."),
    ("is lost", "The GPU fell off the bus: restart the machine."),
)


@dataclass(frozen=True)
class Inventory:
    """The GPUs in the order of the bus; `trouble` is a sentence where there is a driver that does not tell them."""

    gpus: tuple[Gpu, ...] = ()
    trouble: str = ""


def inventory(root: Path = Path("/")) -> Inventory:
    """What is there now; `root` is where the system's own files are looked for.

    A driver that does not answer is no trouble on a machine that has no such GPU.
    """
    try:
        answer = _ask(f"--query-gpu={','.join((*_FIELDS, _MIG_FIELD))}", "--format=csv,noheader,nounits")
        if answer.returncode != 0 and "not a valid field" in answer.stdout + answer.stderr:  # a driver before MIG
            answer = _ask(f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits")
    except FileNotFoundError:
        return _in_trouble("nvidia-smi is not there", root)
    except (OSError, subprocess.TimeoutExpired) as error:
        return _in_trouble(f"nvidia-smi did not answer: {error}", root)
    rows = [row for row in map(_row, answer.stdout.splitlines()) if row is not None]
    if not rows:  # of several GPUs one may be lost: the others are told all the same
        return _in_trouble(answer.stdout + answer.stderr, root)
    gpus = [gpu for gpu, _ in rows]
    if any(divided for _, divided in rows):
        gpus = _with_mig_devices(gpus, {gpu.uuid for gpu, divided in rows if divided})
    return Inventory(tuple(gpus))


def _in_trouble(said: str, root: Path) -> Inventory:
    return Inventory(trouble=trouble_of(said) if machine_shows_one(root) else "")


def trouble_of(said: str) -> str:
    """A sentence of what a driver said, and what helps where that is known."""
    first = next((line.strip() for line in said.splitlines() if line.strip()), "it says nothing")
    help_ = next((helps for words, helps in _KNOWN_TROUBLES if words in said.lower()), "")
    return f"The NVIDIA driver does not tell its GPUs ({first.rstrip('.')}). {help_}".strip()


def machine_shows_one(root: Path = Path("/")) -> bool:
    """Whether the driver's files, or the bus, say that there is an NVIDIA GPU."""
    if (root / "dev/nvidia0").exists() or any((root / "proc/driver/nvidia/gpus").glob("*")):
        return True
    devices = (root / "sys/bus/pci/devices").glob("*")
    return any(_read(one / "vendor") == "0x10de" and _read(one / "class").startswith("0x03") for one in devices)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _ask(*words: str) -> subprocess.CompletedProcess[str]:
    command = ["nvidia-smi", *words]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_LIMIT_S, check=False)


def _row(line: str) -> tuple[Gpu, bool] | None:
    """A line of the table, and whether the GPU is divided into MIG devices; None for other lines."""
    cells = [cell.strip() for cell in line.split(",")]
    if len(cells) < len(_FIELDS) or not cells[0].isdigit():
        return None
    number, name, uuid, bus, memory = ("" if cell.startswith("[") else cell for cell in cells[: len(_FIELDS)])
    mebibytes = int(memory) << 20 if memory.isdigit() else None
    divided = len(cells) > len(_FIELDS) and cells[len(_FIELDS)] == "Enabled"
    return Gpu(int(number), name, uuid, short_bus(bus), mebibytes), divided


def short_bus(bus: str) -> str:
    """A PCI address with a domain of four digits, in lower case: drivers write eight."""
    domain, colon, rest = bus.lower().partition(":")
    return f"{domain[-4:]}:{rest}" if colon and len(domain) > 4 and not domain[:-4].strip("0") else bus.lower()


def _with_mig_devices(gpus: list[Gpu], divided: set[str]) -> list[Gpu]:
    """The MIG devices in place of the GPUs they are parts of: CUDA computes on those alone.

    A device's memory is what its profile's name says, in GB.
    """
    parts: dict[str, list[Gpu]] = {}
    parent = ""
    by_uuid = {gpu.uuid: gpu for gpu in gpus}
    for line in _ask("-L").stdout.splitlines():
        if match := _GPU_LINE.match(line):
            parent = match["uuid"]
        elif (match := _MIG_LINE.match(line)) and parent in by_uuid:
            whole = by_uuid[parent]
            part = replace(
                whole,
                name=f"{whole.name} MIG {match['profile']}",
                uuid=match["uuid"],
                memory=int(match["gb"]) * 10**9,
                part_of=whole.uuid,
            )
            parts.setdefault(parent, []).append(part)
    return [one for gpu in gpus for one in (parts.get(gpu.uuid, []) if gpu.uuid in divided else [gpu])]
