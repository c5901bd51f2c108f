"""Which engine runs, what it needs, and how it is loaded; nothing heavy is imported before it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.audio_settings import AudioPlan
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.step4.engine import HEARD_RATE, SAMPLE_RATE, Engine, Mode, Sound
from workflow_scripts.step4.model_files import embedded_files, silero_file
from workflow_scripts.step4.pyannote_folder import (
    HUB_MODEL,
    checked_folder,
    folder_records,
    hub_folder,
    hub_records,
    hub_token,
    parameters_record,
    preflight,
    ready_folder,
)


@dataclass(frozen=True)
class EngineChoice:
    """The engine that a plan makes run: pyannote from a folder or from the hub, else the embedded one."""

    plan: AudioPlan
    token: str | None

    @property
    def is_pyannote(self) -> bool:
        """Whether it is pyannote."""
        return self.plan.wants_pyannote(self.token)

    def check(self) -> None:
        """Make sure that what the engine needs is there or to be had, without loading it.

        Raises:
            PreconditionError: it is not.
        """
        if not self.is_pyannote:
            self.models()
        elif self.plan.pyannote_model is not None:
            checked_folder(self.plan.pyannote_model)
        elif ready_folder() is None:
            if self.token is None:
                raise PreconditionError(
                    "The pyannote engine needs a hub token or a local model folder, and neither is configured.",
                    hint="Set PYANNOTE_TOKEN or pyannote_model, or set engine to embedded.",
                )
            preflight(self.token)

    def models(self) -> tuple[ModelRecord, ...]:
        """The networks of the engine, known without loading them."""
        plan = self.plan
        if not self.is_pyannote:
            return tuple(file.verified() for file in embedded_files())
        own = hub_records() if plan.pyannote_model is None else folder_records(checked_folder(plan.pyannote_model))
        return own if plan.pyannote_parameters is None else (*own, parameters_record(plan.pyannote_parameters))

    def fetch(self, log: logging.Logger) -> None:
        """Download the hub's pipeline where it is to run and not here yet.

        Raises:
            PreconditionError: it cannot be had.
        """
        if self.is_pyannote and self.plan.pyannote_model is None and ready_folder() is None:
            log.info("Downloading %s from the hub, once.", HUB_MODEL)
            hub_folder(self.token or "")

    def loader(self, batch_size: int) -> Callable[[Mode], Engine]:
        """What makes the engine in a mode."""
        if not self.is_pyannote:
            return lambda mode: _embedded(self.plan, mode, batch_size)
        folder = self.plan.pyannote_model or hub_folder(self.token or "")

        def load(mode: Mode) -> Engine:
            from workflow_scripts.step4.pyannote_engine import PyannoteEngine

            return PyannoteEngine(folder, mode, batch_size, self.plan.pyannote_parameters)

        return load


def choose_engine(plan: AudioPlan) -> EngineChoice:
    """The engine of a plan, given the hub token that is configured."""
    return EngineChoice(plan, hub_token())


def use_threads(count: int) -> None:
    """Let the networks compute on so many CPU threads, 0 leaves it to them; it must come before torch does."""
    if count:
        os.environ["OMP_NUM_THREADS"] = str(count)


def _embedded(plan: AudioPlan, mode: Mode, batch_size: int) -> Engine:
    from workflow_scripts.step4.embedded import EmbeddedEngine

    engine = EmbeddedEngine.installed(plan.speech_threshold, plan.shortest_speech, mode)
    engine.batch_size = batch_size
    return engine


def independent_detector() -> Callable[[Sound], npt.NDArray[np.bool_]]:
    """Silero's voice activity detector on the CPU: speech in tenths of a second, bool `(n,)`."""
    from workflow_scripts.step4.speech import loud_probabilities
    from workflow_scripts.step4.voice_activity import VoiceActivity

    detector = VoiceActivity(silero_file())

    def listen(sound: Sound) -> npt.NDArray[np.bool_]:
        tenths = -(-len(sound) * HEARD_RATE // SAMPLE_RATE)
        return loud_probabilities(detector, sound, tenths) >= 0.5

    return listen
