"""Making and repairing environments from the dashboard: `scripts/setup NAME` as a process of its own.

One at a time. It goes on when the web process ends; the next one finds it again by its folder.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import threading
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.environments import ROOT, find
from services.executors import RunningStep
from services.executors.local import LocalExecutor
from services.supervision.step_command import Command, step_environment
from services.supervision.step_folder import StepFolder, read_object
from services.supervision.step_handle import Alive, Limits
from services.supervision.step_logs import read_end
from services.web.shown_log import shown
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.paths import logs_folder

#: How many jobs are remembered.
KEPT = 10
_FOLDER = re.compile(r"(?P<number>\d{6})-(?P<name>[\w.-]+?)(?P<anew>\+anew)?")
_STAGE = re.compile(r"\S+ (?P<number>\d+)/(?P<total>\d+) (?P<title>.+?) … \d+ s(?P<end> failed| stopped)?")
#: What pip and the search for a Python read besides what every step may see.
_VARIABLES = re.compile(r"PIP_|UV_|XDG_|SSL_CERT_|REQUESTS_CA_|(HTTPS?|ALL|NO)_PROXY$", re.IGNORECASE)
#: pip may be quiet for long while it fetches gigabytes.
_LIMITS = Limits(stall_s=3600.0)


@dataclass(frozen=True)
class SetupJob:
    """One making of an environment.

    Args:
        name: the environment.
        anew: whether it is made anew whatever is there.
        started: when, in UTC; None where that was not written down.
        running: whether it still runs.
        succeeded: whether it has ended, and well.
        reason: why it did not end well; empty otherwise.
        done: stages that are done; `total` is 0 until the first is.
        total: stages in all.
        seconds: since it began, or what it took.
        output: the end of what it printed.
        doing: the last line of pip while it runs.
    """

    name: str
    anew: bool
    started: datetime | None
    running: bool
    succeeded: bool
    reason: str
    done: int
    total: int
    seconds: float
    output: str
    doing: str


class EnvironmentJobs:
    """The jobs of this data folder; may be used from any thread.

    Args:
        folder: where their folders are, if not among the logs.
        root: the repository whose `scripts/setup` is run.
    """

    def __init__(self, folder: Path | None = None, root: Path = ROOT) -> None:
        self._folder = folder or logs_folder() / "environments"
        self._root = root
        self._executor = LocalExecutor(_LIMITS)
        self._handles: dict[Path, RunningStep] = {}
        self._lock = threading.Lock()

    def latest(self) -> SetupJob | None:
        """The job that runs, else the last one; None where there was none."""
        with self._lock:
            found = self._found()
            return self._job(found[-1]) if found else None

    def begin(self, name: str, *, anew: bool = False, busy: Collection[str] = ()) -> SetupJob:
        """Make what is missing of an environment, or all of it anew.

        Args:
            name: the environment.
            anew: make it anew even where it is ready.
            busy: the environments that steps run in just now.

        Raises:
            UsageError: there is no such environment.
            PreconditionError: it is in use, or another one is being made.
            WorkflowError: the process cannot be started.
        """
        environment = find(name, self._root)
        if name in busy:
            raise PreconditionError(
                f"A step runs in {name} just now.", hint="Wait until it has finished, or cancel it.", retry=True
            )
        if anew and Path(sys.prefix) == environment.path:
            hint = f"Stop it and run scripts/setup {name} --force in a terminal."
            raise PreconditionError(f"The dashboard itself runs in {name}.", hint=hint)
        with self._lock:
            found = self._found()
            if found and self._job(found[-1]).running:
                running = self._job(found[-1])
                raise PreconditionError(
                    f"{running.name} is being made just now.", hint="Wait until that has ended.", retry=True
                )
            number = int(_parts(found[-1])["number"] or 0) + 1 if found else 1
            folder = self._folder / f"{number:06}-{name}{'+anew' if anew else ''}"
            words = [str(self._root / "scripts" / "setup"), name, *(["--force"] if anew else [])]
            declared = [variable for variable in os.environ if _VARIABLES.match(variable)]
            command = Command(words, step_environment(declared), cwd=self._root)
            self._handles = {folder: self._executor.start(command, folder)}
            for old in found[: -KEPT + 1]:
                shutil.rmtree(old, ignore_errors=True)
            return self._job(folder)

    def stop(self) -> SetupJob | None:
        """End the job that runs; what it has done stays for the next. The job, None where none runs."""
        with self._lock:
            found = self._found()
            job = self._job(found[-1]) if found else None
            if job is None or not job.running:
                return None
            self._handle(found[-1]).cancel()
            return job

    def _found(self) -> list[Path]:
        """The folders of the jobs, oldest first."""
        there = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(path for path in there if _FOLDER.fullmatch(path.name))

    def _handle(self, folder: Path) -> RunningStep:
        if folder not in self._handles:
            self._handles = {folder: self._executor.adopt(folder)}
        return self._handles[folder]

    def _job(self, folder: Path) -> SetupJob:
        parts, files = _parts(folder), StepFolder(folder)
        state = self._handle(folder).poll()
        running = isinstance(state, Alive)
        output = shown(read_end(files.log).text)
        done, total = _progress(output)
        name = parts["name"] or ""
        return SetupJob(
            name=name,
            anew=bool(parts["anew"]),
            started=_started(files),
            running=running,
            succeeded=not isinstance(state, Alive) and state.exit_code == 0,
            reason="" if isinstance(state, Alive) else state.reason,
            done=done,
            total=total,
            seconds=state.seconds,
            output=output.strip(),
            doing=_last_line(self._root / "logs" / "setup" / f"{name}.log") if running else "",
        )


def _parts(folder: Path) -> dict[str, str | None]:
    match = _FOLDER.fullmatch(folder.name)
    assert match is not None, "only such folders are looked at"
    return match.groupdict()


def _progress(output: str) -> tuple[int, int]:
    """How many stages are done, and of how many, as setup's lines tell."""
    stages = [match for line in output.splitlines() if (match := _STAGE.fullmatch(line.strip()))]
    if not stages:
        return 0, 0
    return int(stages[-1]["number"]) - bool(stages[-1]["end"]), int(stages[-1]["total"])


def _started(files: StepFolder) -> datetime | None:
    try:
        return datetime.fromisoformat((read_object(files.process) or {})["started"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


def _last_line(path: Path, size: int = 2000) -> str:
    """The last line of a file that is being written; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            lines = shown(file.read().decode("utf-8", "replace")).strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip() if lines else ""
