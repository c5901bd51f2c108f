"""What starts a step: its command line, its folder, and the environment that it may see."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.paths import ROOT

#: What every step may see of the environment, and the beginnings of names.
NAMES = (
    *("PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH"),
    *("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF"),  # its name now, and before torch 2.9
    *("HF_HOME", "HF_HUB_OFFLINE", "TORCH_HOME", "XDG_CACHE_HOME"),  # where models lie
)
PREFIXES = ("LC_", "WORKFLOW_", "CUDA_", "NVIDIA_", "OMP_", "MKL_")
#: A name that speaks of a secret is passed on only to a step that asks for it by its whole name.
_SECRET = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY", re.IGNORECASE)
#: What belongs to one process and is not handed down.
_OWN = ("WORKFLOW_EVENTS", "WORKFLOW_STEP_RUN", "WORKFLOW_FRESH_PROCESS")


@dataclass(frozen=True)
class Command:
    """A step's process to be.

    Args:
        argv: the program, by its absolute path, and its arguments; no shell ever sees them.
        environment: all that it sees, as `step_environment` chooses it.
        cwd: the folder it runs in.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path = ROOT


def step_environment(
    declared: Collection[str] = (),
    given: Mapping[str, str] | None = None,
    source: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment for a step: an allow-list, and nothing else.

    Args:
        declared: names of the variables that this step reads besides, the hub token only where it needs it.
        given: variables to set, for example `CUDA_VISIBLE_DEVICES` for the slot.
        source: where the other values are from; this process's environment if not said.
    """
    source = os.environ if source is None else source
    allowed = {name: value for name, value in source.items() if name in declared or _for_every_step(name)}
    return {**allowed, "PYTHONUNBUFFERED": "1", **(given or {})}


def _for_every_step(name: str) -> bool:
    known = name in NAMES or name.startswith(PREFIXES)
    return known and name not in _OWN and not _SECRET.search(name)
