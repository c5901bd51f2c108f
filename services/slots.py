"""The places where steps run: one per allowed GPU, and some for what runs on the CPU."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from services.configuration import general_settings
from services.environments import nvidia_gpus
from services.pipeline import StepDefinition

_GPU_LINE = re.compile(r"GPU (?P<number>\d+): .*\(UUID: (?P<uuid>GPU-[0-9a-fA-F-]+)\)")
#: The name of every slot that is no GPU.
CPU = "cpu"


@dataclass(frozen=True)
class Slot:
    """One place: `cpu`, or a GPU by its UUID (its number where the driver tells none)."""

    name: str

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""
        return "cpu" if self.name == CPU else "cuda"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep a step on it."""
        if self.name == CPU:
            return {}
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": self.name}


@dataclass(frozen=True)
class Slots:
    """How many steps run at once; without a GPU its steps take CPU slots."""

    cpu: int
    gpus: tuple[str, ...] = ()

    def free_for(self, step: StepDefinition, device: str | None, taken: Collection[str]) -> Slot | None:
        """A free slot for a step; None where there is none now.

        Args:
            step: the step.
            device: where it was asked to compute, if that was said; on the CPU it needs no GPU.
            taken: the names of the slots of all steps that run.
        """
        if step.slot == "gpu" and self.gpus and device != "cpu":
            return next((Slot(name) for name in self.gpus if name not in taken), None)
        return Slot(CPU) if Counter(taken)[CPU] < self.cpu else None


def slots() -> Slots:
    """The slots of this machine."""
    return Slots(general_settings().cpu_slots, allowed_gpus())


def allowed_gpus(
    lines: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> tuple[str, ...]:
    """The GPUs that may be used, by UUID: all, or those that `CUDA_VISIBLE_DEVICES` names.

    Args:
        lines: one per GPU, as `nvidia-smi -L` has them; what it says now if not given.
        environment: where `CUDA_VISIBLE_DEVICES` is looked up.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(nvidia_gpus() if lines is None else lines):
        match = _GPU_LINE.match(line)
        found[match["number"] if match else str(number)] = match["uuid"] if match else str(number)
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(found.values())
    wanted = [word.strip() for word in visible.split(",")]
    chosen = [uuid for word in wanted for number, uuid in found.items() if _means(word, number, uuid)]
    return tuple(dict.fromkeys(chosen))


def _means(word: str, number: str, uuid: str) -> bool:
    """Whether a word of `CUDA_VISIBLE_DEVICES` names a GPU: by its number, or by the beginning of its UUID."""
    return word == number or (word.startswith("GPU-") and uuid.startswith(word))
