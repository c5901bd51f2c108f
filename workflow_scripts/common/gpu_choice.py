"""Which one GPU a process gets: the inventory, what `CUDA_VISIBLE_DEVICES` leaves of it, and the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from workflow_scripts.common.gpu_inventory import Inventory
from workflow_scripts.common.gpu_policy import Gpu, Policy

VISIBLE = "CUDA_VISIBLE_DEVICES"
#: `granted`: one GPU. `absent`: the machine has none. `blocked`: none of those it has may be used. `unknown`: the
#: driver does not tell.
State = Literal["granted", "absent", "blocked", "unknown"]


@dataclass(frozen=True)
class Ruling:
    """A GPU, and why it may not be used, as the end of a sentence about it; empty where it may."""

    gpu: Gpu
    objection: str

    @property
    def allowed(self) -> bool:
        """Whether it may be used."""
        return not self.objection


@dataclass(frozen=True)
class Choice:
    """What a process gets.

    Args:
        state: see `State`.
        policy: by what it was chosen.
        gpu: the GPU that is granted.
        why: a sentence where none is.
        visible: what `CUDA_VISIBLE_DEVICES` is to be; None leaves it as it is.
    """

    state: State
    policy: Policy
    gpu: Gpu | None = None
    why: str = ""
    visible: str | None = None


def choose(
    policy: Policy, found: Inventory, visible: str | None, is_busy: Callable[[str], bool] = lambda _key: False
) -> Choice:
    """The GPU for one process: the first that may be used and is free, else the first that may be used.

    Args:
        policy: what may be used.
        found: what is there.
        visible: `CUDA_VISIBLE_DEVICES` as it is, None where it is not set; it can only take GPUs away.
        is_busy: whether somebody computes on the GPU of a key.
    """
    if found.trouble:  # torch will tell which it is, and the policy is asked then
        return Choice("unknown", policy, why=found.trouble, visible=first_word(visible))
    if not found.gpus:
        return Choice("absent", policy, why="There is no NVIDIA GPU here.")
    rulings = rule(policy, found.gpus, visible)
    allowed = [ruling.gpu for ruling in rulings if ruling.allowed]
    if not allowed:
        return Choice("blocked", policy, why=none_allowed(rulings), visible="")
    gpu = next((one for one in allowed if not is_busy(one.key)), allowed[0])
    return Choice("granted", policy, gpu, visible=gpu.key)


def first_word(visible: str | None) -> str:
    """The first device that a value of `CUDA_VISIBLE_DEVICES` names: the first on the bus where it is not set."""
    return "0" if visible is None else visible.split(",")[0].strip()


def rule(policy: Policy, gpus: Sequence[Gpu], visible: str | None) -> list[Ruling]:
    """What holds for each GPU: first those that are visible, in the order in which CUDA counts them."""
    seen = visible_gpus(gpus, visible)
    hidden = [gpu for gpu in gpus if gpu not in seen]
    return [
        *(Ruling(gpu, policy.objection(gpu)) for gpu in seen),
        *(Ruling(gpu, policy.objection(gpu) or f"is hidden by {VISIBLE}={visible}") for gpu in hidden),
    ]


def visible_gpus(gpus: Sequence[Gpu], visible: str | None) -> list[Gpu]:
    """The GPUs that a value of `CUDA_VISIBLE_DEVICES` leaves, in its order, as CUDA reads it.

    A word is a number on the bus or the unambiguous beginning of a UUID; from the first that is neither, nothing
    more is visible. Of a GPU that is divided its number or UUID means its first MIG device.
    """
    if visible is None:
        return list(gpus)
    seen: list[Gpu] = []
    for word in (word.strip() for word in visible.split(",")):
        meant = _meant(gpus, word)
        if meant is None or meant in seen:
            break
        seen.append(meant)
    return seen


def _meant(gpus: Sequence[Gpu], word: str) -> Gpu | None:
    if word.isdecimal():
        return next((gpu for gpu in gpus if gpu.number == int(word)), None)
    if not word.upper().startswith(("GPU-", "MIG-")):
        return None
    word = word.lower()
    begins = [gpu for gpu in gpus if gpu.uuid.lower().startswith(word)]
    if len(begins) == 1:
        return begins[0]
    return next((gpu for gpu in gpus if gpu.part_of.lower() == word), None)


def none_allowed(rulings: Sequence[Ruling]) -> str:
    """A sentence about GPUs of which none may be used."""
    return f"No GPU may be used: {'; '.join(f'{ruling.gpu} {ruling.objection}' for ruling in rulings)}."


def difference(granted: Gpu, seen: Gpu) -> str:
    """In what the GPU that torch sees is another than the granted one, as half a sentence; empty where it is that.

    The UUID of a MIG device and what either does not tell are not compared; memory may be 15 % off, for drivers
    keep some for themselves.
    """
    if granted.uuid and seen.uuid and not granted.part_of and granted.uuid.lower() != seen.uuid.lower():
        return f"its UUID is {seen.uuid}"
    if granted.name and seen.name and granted.name.casefold() != seen.name.casefold():
        return f"it is called {seen.name}"
    if granted.memory and seen.memory and abs(granted.memory - seen.memory) > 0.15 * granted.memory:
        return f"it has {seen.memory / 2**30:.1f} GB of memory"
    return ""
