"""The worker's part: transcribes what waits, one after the other, and sees each through to its end.

All that it knows is in the folders: it may be killed at any moment, and the next one goes on from there.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from services.environments import python_of
from services.executors import Executor, RunningStep
from services.executors.local import LocalExecutor
from services.pipeline import StepDefinition
from services.planning import environment_of
from services.supervision.step_command import Command
from services.supervision.step_handle import Alive, Handle
from services.supervision.step_outcomes import Ended, Stop
from services.transcriptions.model import Facts, Transcription, UnknownTranscription
from services.transcriptions.shelf import Shelf
from services.transcriptions.told import after, facts_in
from workflow_scripts.common.atomic import sync_folder
from workflow_scripts.common.errors import PreconditionError, WorkflowError
from workflow_scripts.common.paths import ROOT

#: How often a round is begun when its process is lost each time: with the machine, or for lack of memory.
TRIES = 3
#: The step whose parameters, environment and variables hold here too.
STEP = "STEP4B"
#: Seconds after which the shelf is read though nobody is known to have changed it.
_REREAD_S = 5.0
_SCRIPT = ROOT / "workflow_scripts" / "step4" / "transcribe_file.py"
_RESULT = "result"
_WORKER_STOPS = Stop("worker", "The worker was stopped, and the transcription with it.")

Commands = Callable[[Transcription, Path, Path], Command]
"""Makes what transcribes a file: of what, where the file lies, and the folder for what comes of it."""
Tell = Callable[[Transcription], object]
"""Called with a transcription whenever it stands otherwise than before."""


@dataclass
class _Watched:
    """What is being transcribed; `facts` once its process has told them."""

    one: Transcription
    running: RunningStep
    facts: Facts | None = None
    cancelled: bool = False


class Queue:
    """What waits and what runs; call `tick` a few times a second.

    Args:
        shelf: the transcriptions.
        commands: see `Commands`.
        tell: hears of every change.
        executor: starts processes.
    """

    def __init__(self, shelf: Shelf, commands: Commands, tell: Tell, executor: Executor | None = None) -> None:
        self._shelf, self._commands, self._tell = shelf, commands, tell
        self._executor = executor or LocalExecutor()
        self._watched: _Watched | None = None
        self._idle_since: tuple[float, float] | None = None
        shelf.clear()

    @property
    def running(self) -> bool:
        """Whether something is being transcribed."""
        return self._watched is not None

    def tick(self) -> None:
        """See how that which runs stands, or take up or begin what is next.

        Raises:
            OSError: something cannot be written; nothing is lost, call again.
        """
        if self._watched is not None:
            self._look(self._watched)
            return
        now, stamp = time.monotonic(), self._shelf.stamp()
        if self._idle_since is not None and self._idle_since[0] == stamp and now < self._idle_since[1] + _REREAD_S:
            return
        active = [one for one in self._shelf.all() if one.active]
        self._idle_since = None if active else (stamp, now)
        lost = next((one for one in active if one.state == "running"), None)
        if lost is not None:
            self._watched = _Watched(lost, self._executor.adopt(self._shelf.process(lost).path))
        elif active:
            self._begin(active[-1])

    def stop(self) -> None:
        """End what runs, with the worker; it is begun anew by the next one."""
        if self._watched is not None and isinstance(self._watched.running, Handle):
            self._watched.running.stop(_WORKER_STOPS)
        while self._watched is not None:
            self._look(self._watched)
            time.sleep(0.05)

    def _begin(self, one: Transcription) -> None:
        begun = replace(one, state="running", attempt=one.attempt + 1, started=datetime.now(UTC), reason="")
        folder = self._shelf.process(begun).path
        shutil.rmtree(folder, ignore_errors=True)
        self._keep(begun)  # before there is a process: who finds one finds whose it is
        try:
            command = self._commands(begun, self._shelf.sound(begun), folder / _RESULT)
            self._watched = _Watched(begun, self._executor.start(command, folder))
        except WorkflowError as error:
            self._keep(replace(begun, state="failed", reason=str(error), finished=datetime.now(UTC)))

    def _look(self, watched: _Watched) -> None:
        said = watched.running.poll()
        for event in said.events:
            watched.one = after(watched.one, event)
            watched.facts = facts_in(event) or watched.facts
        if not isinstance(said, Alive):
            self._watched = None  # what cannot be written down now is adopted and ended anew
            self._end(watched, said)
            return
        if not watched.cancelled and self._is_unwanted(watched.one):
            watched.cancelled = True
            watched.running.cancel()
        if said.events:
            self._keep(watched.one)

    def _is_unwanted(self, one: Transcription) -> bool:
        try:
            return self._shelf.find(one.key).cancelling
        except UnknownTranscription:
            return True

    def _end(self, watched: _Watched, ended: Ended) -> None:
        one = replace(watched.one, seconds=round(ended.seconds, 1), finished=datetime.now(UTC))
        if ended.exit_code == 0 and watched.facts is not None:
            self._take_results(one)
            self._keep(replace(one, state="succeeded", done=one.duration, facts=watched.facts))
        elif ended.stopped == "cancelled":
            self._keep(replace(one, state="cancelled"))
        elif ended.stopped in ("worker", "signal"):  # it is not to blame, so this attempt does not count
            self._keep(replace(one, state="queued", attempt=one.attempt - 1, done=0.0))
        elif ended.exit_code is None and one.attempt < TRIES:
            self._keep(replace(one, state="queued", reason=ended.reason, done=0.0))
        else:
            self._keep(replace(one, state="failed", reason=one.reason or ended.reason))

    def _take_results(self, one: Transcription) -> None:
        """Put what came of a round in the place of what there was; may be interrupted and begun again."""
        process, place = self._shelf.process(one).path, self._shelf.results(one)
        if (process / _RESULT).is_dir():
            shutil.rmtree(place, ignore_errors=True)
            (process / _RESULT).rename(place)
            sync_folder(place.parent)
        for other in place.parent.glob("[0-9]*.[0-9]*"):
            if other != process:
                shutil.rmtree(other, ignore_errors=True)

    def _keep(self, one: Transcription) -> None:
        """Write down how it stands and tell it, unless somebody has taken its folder away."""
        if (self._shelf.folder / one.key).is_dir():
            self._shelf.write_state(one)
        self._tell(one)


def commands(definition: StepDefinition | None) -> Commands:
    """What makes the commands: the step's environment, variables and parameters, but for what was asked for.

    Args:
        definition: the step in the graph; None where somebody took it out.
    """

    def make(one: Transcription, sound: Path, folder: Path) -> Command:
        if definition is None:
            raise PreconditionError(f"config/workflow.toml has no step {STEP}.", hint="Put it back.")
        python = python_of(definition.environment)
        if not python.exists():
            hint = f"Run scripts/setup {definition.environment}."
            raise PreconditionError(f"The environment {definition.environment} is missing.", hint=hint)
        wishes = [f"--{name}={value}" for name, value in vars(one.wish).items() if value]
        words = [str(python), str(_SCRIPT), *wishes, f"--output={folder}", "--", str(sound)]
        own = {"TMPDIR": str(folder.parent)}  # decoded, hours of sound may be too much for a /tmp in memory
        return Command(words, environment_of(definition, own))

    return make
