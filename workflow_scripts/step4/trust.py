"""An engine that does not go on in a mode of computing which says otherwise than the reference.

Half precision is asked about every video, on the part of its sound where it is likeliest to be wrong; FP32 on a GPU
once for each machine, model and version, and about every video whose figures are suspicious. A mode that diverges
is left: half precision for FP32 on the same device, FP32 on a GPU for the CPU, by the ladder that every step has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.errors import DeviceFault
from workflow_scripts.step4.consistency import (
    SUSPICIOUS_SHARE,
    Verdict,
    check,
    choose_excerpt,
    is_suspicious,
    on_tenths,
    speech_share,
)
from workflow_scripts.step4.engine import (
    REFERENCE,
    Diarization,
    Engine,
    Mode,
    Observer,
    Progress,
    Sound,
    SpeakerCount,
)
from workflow_scripts.step4.verdicts import Verdicts

Listen = Callable[[Sound], npt.NDArray[np.bool_]]
"""The independent detector: speech in tenths of a second, bool `(n,)`."""


@dataclass(frozen=True)
class Judged:
    """What an engine found, in which mode, and what speaks for it.

    Args:
        independent: share of speech by the independent detector, None where it was not asked.
        verdict: the mode against the reference, None where it was not asked.
        warnings: sentences for the operator.
    """

    found: Diarization
    mode: Mode
    independent: float | None
    verdict: Verdict | None
    warnings: tuple[str, ...]


class TrustedEngine:
    """Diarizes in a mode for as long as that can be trusted."""

    def __init__(
        self,
        load: Callable[[Mode], Engine],
        mode: Mode,
        listen: Listen | None,
        verdicts: Verdicts,
        checked: bool = True,
    ) -> None:
        """Args:
        load: makes the engine in a mode; called again for the reference and when a mode is left.
        listen: the independent detector; None where the engine has it inside.
        checked: False never asks about FP32 on a GPU; half precision is asked about in any case.
        """
        self._load = load
        self._listen = listen
        self._verdicts = verdicts
        self._checked = checked
        self._reference: Engine | None = None
        self.engine = load(mode)
        self.left = ""
        if mode.half and verdicts.of(self.engine) is False:
            self._leave("it diverged from FP32 on the CPU before, on this machine with these models and versions")

    def diarize(
        self,
        name: str,
        sound: Sound,
        speakers: SpeakerCount,
        progress: Progress,
        observer: Observer | None = None,
    ) -> Judged:
        """Who speaks when in a video, in a mode that is to be trusted with it.

        Raises:
            DeviceFault: FP32 on this device says otherwise than on the CPU.
        """
        warnings: list[str] = []
        while True:
            engine = self.engine
            found = engine.diarize(sound, speakers, progress, observer)
            independent = self._listen(sound) if self._listen else None
            verdict = self._verdict(engine, sound, found, independent, speakers)
            if verdict is not None:
                self._verdicts.remember(engine, name, verdict)
            if verdict is None or not verdict.complaints:
                if independent is None:
                    return Judged(found, engine.mode, None, verdict, tuple(warnings))
                share = speech_share(independent)
                if engine.mode == REFERENCE and is_suspicious(on_tenths(found), independent):
                    warnings.append(_doubt(name, found, share))
                return Judged(found, engine.mode, share, verdict, tuple(warnings))
            what = " ".join(verdict.complaints)
            warnings.append(f"{name}: {engine.mode} says otherwise than FP32 on the CPU, so it is left. {what}")
            self._leave(what)

    def _verdict(
        self,
        engine: Engine,
        sound: Sound,
        found: Diarization,
        independent: npt.NDArray[np.bool_] | None,
        speakers: SpeakerCount,
    ) -> Verdict | None:
        mask = on_tenths(found)
        other = mask if independent is None else independent
        if not self._is_due(engine, mask, other):
            return None
        if self._reference is None:
            self._reference = self._load(REFERENCE)
        return check(engine, self._reference, sound, choose_excerpt(mask, other, len(sound)), speakers)

    def _is_due(self, engine: Engine, found: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> bool:
        if engine.mode == REFERENCE or not len(found):
            return False
        if engine.mode.half:
            return True
        suspicious = is_suspicious(found, other) or speech_share(found) < SUSPICIOUS_SHARE
        return self._checked and (suspicious or self._verdicts.of(engine) is not True)

    def _leave(self, why: str) -> None:
        """Go on in a mode that is nearer to the reference.

        Raises:
            DeviceFault: only another device is nearer.
        """
        mode = self.engine.mode
        if not mode.half:
            raise DeviceFault(f"{mode} says otherwise than FP32 on the CPU: {why}", out_of_memory=False)
        self.left = f"{mode}: {why}"
        self.engine = self._load(replace(mode, half=None))


def _doubt(name: str, found: Diarization, independent: float) -> str:
    share = speech_share(on_tenths(found))
    return (
        f"{name}: speech was found in {share:.0%} of the sound, an independent detector hears it in "
        f"{independent:.0%}. Music or noise can be the reason; listen to it."
    )
