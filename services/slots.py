"""The places where steps run: one per allowed GPU, and some for what runs on the CPU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from services.configuration import general_settings
from services.gpu import allowed_keys, standing
from services.pipeline import StepDefinition
from workflow_scripts.common.gpu_choice import VISIBLE
from workflow_scripts.common.gpu_inventory import Inventory

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
        return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", VISIBLE: self.name}


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
    """The slots of this machine.

    Raises:
        UsageError: the GPU policy says something that it cannot mean.
    """
    return Slots(general_settings().cpu_slots, allowed_gpus())


def allowed_gpus(found: Inventory | None = None) -> tuple[str, ...]:
    """The GPUs that may be used, by UUID: what `CUDA_VISIBLE_DEVICES` and the policy leave of those that are there.

    Args:
        found: what is there; looked up now if not given.

    Raises:
        UsageError: the GPU policy says something that it cannot mean.
    """
    return allowed_keys(standing(found=found))
