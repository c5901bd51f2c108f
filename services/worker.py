"""The process that does the work of a data folder: `python -m services.worker`.

It is apart from the web process and from the steps: each may be restarted without the others noticing. On SIGTERM
it takes on no more work and ends; the steps go on, and the next worker adopts them. With `--stop-steps` it ends
them first, and they are begun anew by the next one.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import FrameType

from services.configuration import general_settings
from services.database import Database
from services.inbox import InboxWatch, start_run
from services.pipeline import Pipeline, load_pipeline
from services.runs import NewEvent, Runs
from services.scheduler import Scheduler, forget_folders
from services.slots import slots
from services.supervision.processes import is_alive, send
from services.transcriptions import KIND, Shelf, Transcription
from services.transcriptions.queue import STEP, Queue, commands
from services.worker_lock import Holder, WorkerLock, holder, lost_holder
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT, data_folder, logs_folder
from workflow_scripts.common.settings import Settings, load_dotenv

#: Seconds between two looks at the store: half of how long a run waits to be noticed.
TICK_S = 0.1
TRANSCRIPTIONS_S = 0.3
INBOX_S = 2.0
PRUNE_S = 3600.0
#: Seconds to wait before trying again when the store cannot be written (a full disk).
TROUBLE_S = 2.0
#: Seconds that a new worker has to take up its work.
START_S = 20.0
#: What asks a worker to end.
_STOP = (signal.SIGTERM, signal.SIGINT)
_LOG = logging.getLogger("workflow.worker")


class Worker:
    """The loop: schedule, transcribe single files, watch the inbox, forget old history."""

    def __init__(self, runs: Runs, pipeline: Pipeline, settings: Settings) -> None:
        self.scheduler = Scheduler(runs, pipeline, slots(), owner=f"worker {os.getpid()}")
        self._runs, self._pipeline, self._settings = runs, pipeline, settings
        self._transcriptions = _queue(runs, pipeline)
        self._watch = InboxWatch(settings.inbox_quiet_s) if settings.watch_inbox else None
        self._stop = False
        self._due: dict[Callable[[], object], float] = {}

    @property
    def running(self) -> int:
        """How many processes it watches: those of steps, and of a transcription."""
        return self.scheduler.running + self._transcriptions.running

    def run(self, *, stop_steps: bool = False) -> None:
        """Work until SIGTERM or SIGINT."""
        for number in _STOP:
            signal.signal(number, self._ask_to_stop)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
        self._guarded(self.scheduler.recover)
        while not self._stop:
            self._guarded(self.scheduler.tick)
            self._every(TRANSCRIPTIONS_S, self._transcriptions.tick)
            self._every(INBOX_S, self._look_at_inbox)
            self._every(PRUNE_S, self._prune)
            time.sleep(TICK_S)
        if stop_steps:
            self._guarded(self.scheduler.stop_steps)
            self._guarded(self._transcriptions.stop)

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stop = True

    def _guarded(self, work: Callable[[], object]) -> None:
        """Do something that may fail for a while, and will be done again."""
        try:
            work()
        except (WorkflowError, OSError) as error:
            _LOG.error("%s", error)
            time.sleep(TROUBLE_S)
        except Exception:  # one bad step run must not end the work for all others
            _LOG.exception("unexpected")
            time.sleep(TROUBLE_S)

    def _every(self, seconds: float, work: Callable[[], object]) -> None:
        now = time.monotonic()
        if now >= self._due.get(work, 0.0):
            self._due[work] = now + seconds
            self._guarded(work)

    def _look_at_inbox(self) -> None:
        if self._watch is not None:
            started = start_run(self._runs, self._pipeline, self._watch, self._settings.inbox_steps)
            if started is not None:
                _LOG.info("run %d: from the inbox", started)

    def _prune(self) -> None:
        if self._runs.prune(timedelta(days=self._settings.history_days)):
            forget_folders(self._runs)


def _queue(runs: Runs, pipeline: Pipeline) -> Queue:
    """What transcribes single files, with the parameters of the graph's step for that."""
    definition = next((step for step in pipeline.steps if step.key == STEP), None)

    def tell(one: Transcription) -> None:
        runs.events.append([NewEvent(KIND, one.told)])

    return Queue(Shelf(), commands(definition), tell)


def start_detached() -> Holder:
    """See that a worker runs, in a session of its own; who it is, an old one or a new one.

    Raises:
        WorkflowError: it does not start; the message says why. Or a run in a terminal does the work now.
    """
    command = [sys.executable, "-m", "services.worker", "--detach"]
    found = holder()
    if found is None:
        environment = {**os.environ, "WORKFLOW_DATA_DIR": str(data_folder())}
        subprocess.run(command, cwd=ROOT, env=environment, check=False, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while (found := holder()) is None and time.monotonic() < deadline:
            time.sleep(0.02)
    if found is None:
        raise WorkflowError("The worker does not start.", hint=f"See {log_path()}.")
    return found


def restart_lost() -> Holder | None:
    """Start a worker where the last one was killed; None where that is not so: one that was stopped stays so.

    Raises:
        WorkflowError: it does not start.
    """
    lost = lost_holder()
    if lost is None:
        return None
    _LOG.warning("%s was killed: another one goes on", lost)
    return start_detached()


def stop_worker(wait_s: float = START_S) -> Holder | None:
    """Ask the worker to end and wait until it has; who it was, None where there was none. Its steps go on."""
    found = holder()
    if found is None or not found.is_worker:
        return None
    send(found.identity, signal.SIGTERM)
    deadline = time.monotonic() + wait_s
    while is_alive(found.identity) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found


def log_path() -> Path:
    """The log of the worker."""
    return logs_folder() / "worker.log"


def main() -> int:
    """Do the work of the data folder until told to stop; the exit status is 3 where another process does it."""
    parser = argparse.ArgumentParser(
        prog="python -m services.worker", description="Do the work of the data folder."
    )
    parser.add_argument("--stop-steps", action="store_true", help="end the running steps on SIGTERM too")
    parser.add_argument("--detach", action="store_true", help="go on in the background")
    arguments = parser.parse_args()
    if arguments.detach:
        _go_into_background()
    try:
        load_dotenv()
        _open_log(to_screen=not arguments.detach)
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)  # who asks now is heard once the worker is there
        with WorkerLock() as lock:
            if not lock.take("worker"):
                sentence = f"The work of this data folder is done by {holder() or 'another process'}."
                raise WorkflowError(sentence, hint="One is enough.")
            with contextlib.closing(Database()) as database:
                _LOG.info("worker %d begins", os.getpid())
                worker = Worker(Runs(database), load_pipeline(), general_settings())
                worker.run(stop_steps=arguments.stop_steps)
                _LOG.info("worker %d ends; %d steps go on", os.getpid(), worker.running)
        return 0
    except WorkflowError as error:
        _LOG.error("%s", error)
        return error.exit_code


def _go_into_background() -> None:
    """Leave the terminal and the process that started this one."""
    if os.fork():
        os._exit(0)
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)


class _Printable(logging.Formatter):
    """Escapes what could forge a line or steer a terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record))


def _open_log(*, to_screen: bool) -> None:
    path = log_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    handlers: list[logging.Handler] = [RotatingFileHandler(path, maxBytes=2_000_000, backupCount=2)]
    handlers += [logging.StreamHandler()] if to_screen else []
    for handler in handlers:
        handler.setFormatter(_Printable("%(asctime)s [%(levelname)s] %(message)s"))
        _LOG.addHandler(handler)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False


if __name__ == "__main__":
    sys.exit(main())
