"""What the items of one process have found out about the ladder: the rungs that are left to the next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import DeviceFault, TorchScriptFault
from workflow_scripts.common.manifest import Fallback


class Descent:
    """Remembers the rungs that failed for lack of memory or with TorchScript: they are not tried again.

    `context_lost` tells that a CUDA context broke: nothing more can be done on that device in this process.
    """

    def __init__(self) -> None:
        self.context_lost = False
        self._failed: dict[Rung, Fallback] = {}

    def left(self, ladder: Iterable[Rung]) -> tuple[list[Rung], tuple[Fallback, ...]]:
        """The rungs of a ladder to try for the next item, and why those above are not among them."""
        met = (replace(one, reason=f"{one.reason} (met by an earlier video)") for one in self._failed.values())
        return [rung for rung in ladder if rung not in self._failed], tuple(met)

    def down(
        self, rung: Rung, fault: DeviceFault | TorchScriptFault, below: Sequence[Rung]
    ) -> tuple[list[Rung], Fallback]:
        """The rungs to try after a fault on one, of those below it, and the record of going down.

        A fault of TorchScript leaves those without it, lack of memory all of them, and any other fault of the
        device the last one: a smaller batch does not mend a broken context.

        Raises:
            DeviceFault, TorchScriptFault: the fault, when nothing is left.
        """
        broken = isinstance(fault, DeviceFault) and not fault.out_of_memory
        if isinstance(fault, TorchScriptFault):
            rungs = [one for one in below if not one.torchscript]
        else:
            rungs = list(below[-1:] if broken else below)
        if not rungs:
            raise fault
        fallback = Fallback(str(rung), str(rungs[0]), fault.message)
        if broken:
            self.context_lost = self.context_lost or rung.device != "cpu"
        elif not rungs[0].fresh_process:  # the last rung of a GPU is tried again: the next item may be smaller
            self._failed[rung] = fallback
        return rungs, fallback
