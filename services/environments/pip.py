"""Running pip, quietly: progress on one line, everything it says in a log, its failures as a sentence."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from services.environments.spec import Environment, running_version
from workflow_scripts.common.errors import PreconditionError, WorkflowError

NETWORK = re.compile(
    r"NewConnectionError|NameResolutionError|name resolution|Connection (?:refused|reset|timed out|aborted)"
    r"|Network is unreachable|ReadTimeout|ConnectTimeout|ProxyError|SSLError|dns error|tcp connect error"
)
DISK = re.compile(r"No space left on device|\[Errno 28\]|Disk quota exceeded")
WHEEL = re.compile(
    r"No matching distribution found for (?P<a>[^\s(]+)"
    r"|satisfies the requirement (?P<b>[^\s(]+)"
    r"|Failed (?:building wheel|to build) (?:for )?(?P<c>[\w.-]+)"
)
DOING = re.compile(r"\s*(?:Collecting|Downloading|Using cached|Installing collected|Uninstalling)\b")
MISLEADING = frozenset(
    {
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_REQUIRE_HASHES",
        "PIP_REQUIRE_VIRTUALENV",
    }
)
"""Variables that make an environment's Python or pip look elsewhere."""


class Stages:
    """Progress of one environment: `audio_env 3/5 speech models … 41 s`, and the log behind it.

    On a terminal the line is rewritten every second, with the last thing pip said.
    """

    def __init__(self, name: str, total: int, log: Path, out: TextIO | None = None) -> None:
        self.log = log
        self._name = name
        self._total = total
        self._out = out or sys.stdout
        self._number = 0
        self._start = 0.0
        self._title = ""

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Show one stage with the seconds it took."""
        self._number += 1
        self._title = title
        self._start = time.monotonic()
        if self._out.isatty():
            self._show(self._line())
        try:
            yield
        except BaseException as error:
            self._end(f"{self._line()} {'stopped' if isinstance(error, KeyboardInterrupt) else 'failed'}")
            raise
        self._end(self._line())

    def tick(self) -> None:
        """Renew the line; called about once a second while a tool runs."""
        if self._out.isatty():
            doing = [line.strip() for line in _tail(self.log, 50) if DOING.match(line)]
            self._show(f"{self._line()}   {doing[-1] if doing else ''}")

    def say(self, sentence: str) -> None:
        """Print a sentence above the progress line."""
        if self._out.isatty():
            self._show("")
        print(sentence, file=self._out, flush=True)

    def _line(self) -> str:
        seconds = time.monotonic() - self._start
        return f"{self._name} {self._number}/{self._total} {self._title} … {seconds:.0f} s"

    def _show(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r\x1b[K{text[:width]}")
        self._out.flush()

    def _end(self, text: str) -> None:
        if self._out.isatty():
            self._show("")
        print(text, file=self._out, flush=True)


class Pip:
    """pip of one environment; every failure becomes one error that names the environment and the package."""

    def __init__(self, environment: Environment, stages: Stages) -> None:
        self.environment = environment
        self.stages = stages

    def __call__(self, *arguments: str, binary: bool = True) -> None:
        """Run `pip ARGUMENTS`; `binary` forbids building from source (a fresh machine has no compiler)."""
        command = [*self.command, *arguments]
        if binary:
            command.append("--only-binary=:all:")
        status, words = run(command, self.stages)
        if status != 0:
            raise explain(words, self.environment.name, self.stages.log)

    @property
    def command(self) -> list[str]:
        return [str(self.environment.python), "-m", "pip"]

    def answer(self, *arguments: str) -> str:
        """Standard output of `pip ARGUMENTS`, empty when it fails (which the caller's next step will explain)."""
        done = subprocess.run(
            [*self.command, *arguments], env=clean_variables(), capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else ""


def run(command: Sequence[str], stages: Stages) -> tuple[int, list[str]]:
    """Run a tool with its output in the log; gives its exit status and its last lines.

    On Ctrl-C the tool is stopped before KeyboardInterrupt goes on, so that nothing writes any more.
    """
    with stages.log.open("a", encoding="utf-8") as log:
        log.write(f"\n$ {' '.join(command)}\n")
        log.flush()
        start = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=clean_variables(),
            close_fds=False,  # the lock of `build` goes along: should setup be killed, it holds until pip has ended
        )
        try:
            while True:
                try:
                    status = process.wait(timeout=1)
                    break
                except subprocess.TimeoutExpired:
                    stages.tick()
        except BaseException:
            _stop(process)
            raise
    return status, _tail(stages.log, 200, start)


def clean_variables() -> dict[str, str]:
    """This process's variables without MISLEADING, and with a pip that neither asks nor chats."""
    kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
    kept.setdefault("PIP_RETRIES", "2")
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def explain(words: Sequence[str], name: str, log: Path) -> WorkflowError:
    """Say in one sentence why pip failed, from its last lines.

    A message on the network comes before one on a missing wheel: without a network pip reports both.
    """
    text = "\n".join(words)
    match = WHEEL.search(text)
    package = next((group for group in match.groups() if group), "") if match else ""
    of_package = f" for {package}" if package else ""
    if DISK.search(text):
        return PreconditionError(
            f"{name}: the disk is full{of_package}.",
            hint="Free some space and run scripts/setup again.",
            retry=True,
        )
    if NETWORK.search(text):
        return PreconditionError(
            f"{name}: the package index cannot be reached{of_package}.",
            hint=f"Check the network and run scripts/setup again; it goes on where it stopped. Details: {log}.",
            retry=True,
        )
    if package:
        where = f"{platform.system()} on {platform.machine()} with Python {running_version()}"
        return PreconditionError(f"{name}: there is no wheel of {package} for {where}.", hint=f"Details: {log}.")
    last = next((line.strip() for line in reversed(words) if line.strip()), "no message")
    return PreconditionError(f"{name}: pip failed: {last}", hint=f"Details: {log}.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(path: Path, lines: int, start: int = 0) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - 200 * lines))
        return file.read().decode("utf-8", "replace").replace("\r", "\n").rstrip().splitlines()[-lines:]
