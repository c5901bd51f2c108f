"""Making, finishing or updating an environment: stages that can be interrupted and are then gone through again."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from services.environments import repairs, torch_build
from services.environments.assets import bring, is_whole
from services.environments.pip import Pip, Stages, run
from services.environments.spec import Asset, Configuration, Environment, Pin, normalise, read_lock, running_version
from services.environments.state import (
    STAMP,
    Stamp,
    State,
    Status,
    installed,
    key,
    locks,
    read_stamp,
    state,
    write_stamp,
)
from workflow_scripts.common.errors import PreconditionError

MB = 1_000_000


class Builder:
    """Brings environments to what their locks say.

    Args:
        configuration: config/envs/environments.toml.
        torch: the setting `auto`, `cpu` or `cuda`.
        gpu: whether this machine has an NVIDIA GPU.
        free: gives the free bytes of the disk a path is on.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        torch: str,
        gpu: bool,
        free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        out: TextIO | None = None,
    ) -> None:
        self._configuration = configuration
        self._torch = torch_build.wanted(torch, gpu)
        self._torch_required = torch_build.required(torch, gpu)
        self._free = free
        self._out = out or sys.stdout

    def state(self, environment: Environment, layers: Iterable[str]) -> State:
        """What this builder would have to do."""
        return state(environment, layers, self._torch_required)

    def bring_up_to_date(self, environment: Environment, layers: Iterable[str], *, force: bool = False) -> bool:
        """Make, finish, update or remake an environment; true when there was something to do.

        Raises PreconditionError with a sentence when it cannot be done; what is done stays for the next run.
        """
        logs = environment.path.parent / "logs" / "setup"
        logs.mkdir(parents=True, exist_ok=True)
        with _only_one(logs / f"{environment.name}.lock", environment.name, self._out):
            before = self.state(environment, layers)
            ready = before.ready and not force
            lacking = [asset for asset in environment.assets if not is_whole(environment, asset)]
            if ready and not lacking:
                return False
            if not before.ours and not force:
                raise PreconditionError(
                    f"{environment.path} exists, and {before.reason}.",
                    hint=f"Move it away, or let scripts/setup {environment.name} --force replace it.",
                )
            log = logs / f"{environment.name}.log"
            log.write_text("", encoding="utf-8")
            if ready:
                _bring_assets(Pip(environment, Stages(environment.name, len(lacking), log, self._out)), lacking)
            else:
                self._build(environment, frozenset(layers), before, force, log)
        return True

    def _build(
        self, environment: Environment, layers: frozenset[str], before: State, force: bool, log: Path
    ) -> None:
        stamp = read_stamp(environment)
        if force or before.status is Status.BROKEN or stamp is None or _other_torch(stamp, self._torch_required):
            stamp = Stamp(path=str(environment.path))
        layers |= set(stamp.layers)
        torch = self._torch if self._torch_required else stamp.torch or self._torch
        pins = {lock.stem: read_lock(lock) for lock in locks(environment, layers)}
        locked = {pin.name for lock in pins.values() for pin in lock}
        tools = [pin for layer in sorted(layers) for pin in pins[layer]]
        parts = [*_parts(environment, pins[environment.name]), *([("development tools", tools)] if tools else [])]
        torch_pins = [pin for pin in pins[environment.name] if pin.name == "torch"]
        self._check_room(environment, cuda=bool(torch_pins) and torch == "cuda")
        number = 2 + len(torch_pins) + len(parts) + len(environment.assets)
        stages = Stages(environment.name, number, log, self._out)
        pip = Pip(environment, stages)
        notes: list[str] = []
        with stages.stage("virtual environment"):
            stamp = self._make_folder(environment, stamp, locked, pip)
            self._clear(environment, set(stamp.locked) - locked, pip)
        for pin in torch_pins:
            with stages.stage(f"torch for {'NVIDIA GPUs' if torch == 'cuda' else 'the CPU'}"):
                notes += torch_build.install(pip, pin, torch, self._configuration)
        for title, part in parts:
            with stages.stage(title):
                self._install(pip, part)
        with stages.stage("this repository, checks"):
            notes += self._finish(environment, pip)
        for note in notes:
            stages.say(note)
        finished = replace(stamp, finished=True, key=key(environment, layers), layers=tuple(sorted(layers)))
        finished = replace(finished, torch=torch if torch_pins else "", locked=tuple(sorted(locked)))
        write_stamp(environment, replace(finished, installed=installed(environment), notes=tuple(notes)))
        _bring_assets(pip, environment.assets)

    def _check_room(self, environment: Environment, *, cuda: bool) -> None:
        needed = environment.needs_mb + (self._configuration.cuda_mb if cuda else 0)
        there = _size(environment.path) // MB
        free = self._free(environment.path.parent) // MB
        if free < needed - there:
            raise PreconditionError(
                f"{environment.name} needs {needed - there:,} MB of disk, and {free:,} MB are free.",
                hint=f"Free some space on the disk of {environment.path.parent} and run scripts/setup again.",
            )

    def _make_folder(self, environment: Environment, stamp: Stamp, locked: set[str], pip: Pip) -> Stamp:
        """A virtual environment with the pip we know; one whose making was interrupted is made again."""
        if not stamp.python:
            _empty(environment)
            command = [_base_python(), "-m", "venv", str(environment.path)]
            status, words = run(command, pip.stages)
            if status != 0:
                reason = words[-1] if words else f"exit status {status}"
                raise PreconditionError(
                    f"{environment.name}: Python could not make a virtual environment: {reason}",
                    hint=f"Details: {pip.stages.log}.",
                )
            stamp = Stamp(path=str(environment.path), python=running_version())
        stamp = replace(stamp, finished=False, locked=tuple(sorted(locked | set(stamp.locked))))
        write_stamp(environment, stamp)
        if not (environment.site_packages / f"pip-{self._configuration.pip}.dist-info" / "RECORD").exists():
            self._install(pip, [Pin("pip", f"pip=={self._configuration.pip}")])
        return stamp

    def _clear(self, environment: Environment, dropped: set[str], pip: Pip) -> None:
        """Remove what an interrupted install left half there, and what an older lock had and this one has not."""
        for folder in environment.site_packages.glob("*.dist-info"):
            if not (folder / "RECORD").exists():  # pip writes it last
                shutil.rmtree(folder)
        left_over = dropped & {normalise(name.partition("-")[0]) for name in installed(environment)}
        if left_over:
            pip("uninstall", "--yes", *sorted(left_over), binary=False)

    def _install(self, pip: Pip, pins: list[Pin]) -> None:
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in sorted({pin.requirement for pin in pins})))
            file.flush()
            pip("install", "--no-deps", "-r", file.name)

    def _finish(self, environment: Environment, pip: Pip) -> list[str]:
        root = str(environment.path.parent)
        pip("install", "--no-deps", "--no-build-isolation", "-e", root, binary=False)
        repairs.link_ffmpeg(environment)
        note = repairs.repair_torchaudio(environment)
        repairs.prove(environment)
        return [note] if note else []


def _bring_assets(pip: Pip, assets: Iterable[Asset]) -> None:
    """Bring what is missing into an environment that is ready without it; the next setup tries again."""
    for asset in assets:
        with pip.stages.stage(asset.what):
            note = bring(pip, asset)
        if note:
            pip.stages.say(note)


def _base_python() -> str:
    """This interpreter, or the one behind it: an active `env` would otherwise be deleted under its own feet."""
    if sys.prefix == sys.base_prefix:
        return sys.executable
    return str(Path(sys.base_prefix) / "bin" / f"python{running_version()}")


def _parts(environment: Environment, pins: tuple[Pin, ...]) -> list[tuple[str, list[Pin]]]:
    """The lock but torch, in the configured groups; what no group names comes first. Empty parts are left out."""
    named = {name for group in environment.groups for name in group.packages} | {"torch"}
    parts = [("libraries", [pin for pin in pins if pin.name not in named])]
    parts += [(group.name, [pin for pin in pins if pin.name in group.packages]) for group in environment.groups]
    return [(title, part) for title, part in parts if part]


def _other_torch(stamp: Stamp, required: str) -> bool:
    return bool(required and stamp.torch and stamp.torch != required)


def _size(folder: Path) -> int:
    """Bytes under a folder, links not followed; 0 when it does not exist."""
    return sum(path.lstat().st_size for path in folder.rglob("*"))


def _empty(environment: Environment) -> None:
    """Leave nothing in the folder but a stamp that says it is ours and unfinished, at every moment of it."""
    if environment.path.exists() and not environment.path.is_dir():
        environment.path.unlink()
    environment.path.mkdir(exist_ok=True)
    write_stamp(environment, Stamp(path=str(environment.path)))
    for child in environment.path.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        elif child.name != STAMP:
            child.unlink()


@contextmanager
def _only_one(path: Path, name: str, out: TextIO) -> Iterator[None]:
    """Let one setup work on an environment at a time; the others wait."""
    with path.open("w", encoding="utf-8") as file:
        os.set_inheritable(file.fileno(), True)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{name}: another scripts/setup is at work on it, waiting", file=out, flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
