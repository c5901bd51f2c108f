"""`scripts/setup --lock`: from what we ask for (.in) to every version, for all platforms at once (.txt)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from services.environments.pip import clean_variables
from services.environments.spec import Configuration, normalise
from workflow_scripts.common.errors import PreconditionError

PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "aarch64-apple-darwin")
PYTHONS = ("3.11", "3.12")
MACOS = "14.0"
"""Oldest macOS for which every package has a wheel (PyAV decides)."""
ELSEWHERE = ("sys_platform == 'win32'", "sys_platform == 'emscripten'", "platform_python_implementation == 'PyPy'")
"""Markers of lines that can never apply here."""


def relock(configuration: Configuration, *, upgrade: bool = False) -> None:
    """Write every lock anew, keeping versions that still satisfy unless `upgrade`.

    Raises PreconditionError when requirements contradict each other, or when a package has no wheel for one of
    PLATFORMS and PYTHONS; that lock is then left as it was.
    """
    with tempfile.TemporaryDirectory() as name:
        locker = _Locker(Path(name), configuration, upgrade)
        made: list[Path] = []
        for environment in configuration.environments:
            made.append(locker.lock(environment.lock(), environment.without, made[:0]))
        locks = configuration.environments[0].locks
        for layer in sorted({layer for environment in configuration.environments for layer in environment.layers}):
            made.append(locker.lock(locks / f"{layer}.txt", (), made))


class _Locker:
    """uv in a folder of its own, with which locks are made and checked."""

    def __init__(self, folder: Path, configuration: Configuration, upgrade: bool) -> None:
        self._folder = folder
        self._torch_own = configuration.torch_own
        self._upgrade = upgrade
        subprocess.run([sys.executable, "-m", "venv", folder / "tools"], check=True)
        self._run([folder / "tools/bin/python", "-m", "pip", "install", "--quiet", f"uv=={configuration.uv}"])
        self._uv = folder / "tools/bin/uv"

    def lock(self, lock: Path, without: Sequence[str], same_as: Sequence[Path]) -> Path:
        """Make one lock; packages that are also in the locks `same_as` get the version they have there."""
        overrides = self._folder / "without.txt"
        overrides.write_text("".join(f'{name} ; python_version < "0"\n' for name in without), encoding="utf-8")
        draft = self._folder / lock.name
        if lock.exists() and not self._upgrade:
            draft.write_bytes(lock.read_bytes())
        self._run(
            [
                self._uv, "pip", "compile", "--quiet", "--universal", "--python-version", PYTHONS[0],
                "--fork-strategy", "fewest", "--no-header", "--annotation-style", "line",
                "--override", overrides, *[word for other in same_as for word in ("-c", other.name)],
                "--output-file", draft, f"{lock.stem}.in",
            ],
            cwd=lock.parent,
        )  # fmt: skip
        lines = [line for line in draft.read_text(encoding="utf-8").splitlines() if self._keeps(line)]
        header = f"# Made by `scripts/setup --lock` from {lock.stem}.in; change that one."
        draft.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
        self._check_wheels(draft)
        draft.replace(lock)
        print(f"{lock.name}: {len(lines)} packages", flush=True)
        return lock

    def _keeps(self, line: str) -> bool:
        name = normalise(line.partition("==")[0])
        elsewhere = any(marker in line for marker in ELSEWHERE)
        return not elsewhere and not any(fnmatch(name, pattern) for pattern in self._torch_own)

    def _check_wheels(self, lock: Path) -> None:
        for platform in PLATFORMS:
            for python in PYTHONS:
                self._run(
                    [
                        self._uv, "pip", "compile", "--quiet", "--no-deps", "--only-binary", ":all:",
                        "--python-platform", platform, "--python-version", python, lock,
                    ],
                    cwd=self._folder,
                )  # fmt: skip

    def _run(self, command: Sequence[str | Path], cwd: Path | None = None) -> None:
        variables = clean_variables() | {"MACOSX_DEPLOYMENT_TARGET": MACOS}
        done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            told = " ".join(done.stderr.split())
            raise PreconditionError(f"{Path(command[-1]).name}: no lock could be made: {told}")
