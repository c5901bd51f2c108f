"""Which build of torch an environment gets, and getting it.

The package index holds one build of each torch version per platform; on Linux that is normally the CUDA one
(several GB), on macOS the only one there is. Locks pin the version; the build is decided here.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path

from services.environments.pip import Pip, run
from services.environments.spec import Configuration, Environment, Pin, normalise
from services.environments.state import installed
from workflow_scripts.common.errors import PreconditionError, UsageError

SETTINGS = ("auto", "cpu", "cuda")


def setting(configuration: Configuration, variables: Mapping[str, str] = os.environ) -> str:
    """`auto`, `cpu` or `cuda`: WORKFLOW_TORCH, else the configuration; raises UsageError for anything else."""
    value = variables.get("WORKFLOW_TORCH") or configuration.torch_build
    if value not in SETTINGS:
        raise UsageError(f"The build of torch is “{value}”; it can be {', '.join(SETTINGS)}.")
    return value


def wanted(setting: str, gpu: bool) -> str:
    """The build to install, `cpu` or `cuda`."""
    return ("cuda" if gpu else "cpu") if setting == "auto" else setting


def required(setting: str, gpu: bool) -> str:
    """The build an existing environment must have; empty when any will do.

    The CUDA build runs on a CPU too, so `auto` never replaces it because a GPU is away for the moment.
    """
    return "" if setting == "auto" and not gpu else wanted(setting, gpu)


def is_cuda(version: str, requirements: list[str], own: tuple[str, ...]) -> bool:
    """Whether a torch of this version and these requirements (its metadata) is a CUDA build."""
    if "+" in version:
        return "+cu" in version
    names = [normalise(requirement.split(";")[0].split()[0].split("=")[0]) for requirement in requirements]
    return any(fnmatch(name, pattern) for name in names for pattern in own)


def install(
    pip: Pip, pin: Pin, build: str, configuration: Configuration, platform: str = sys.platform
) -> list[str]:
    """Install torch in the wanted build unless it is there; gives sentences worth telling."""
    environment = pip.environment
    version = pin.requirement.partition(";")[0].partition("==")[2].strip()
    if any(name.split("+")[0].removesuffix(".dist-info") == f"torch-{version}" for name in installed(environment)):
        return []
    offered_cuda = platform.startswith("linux") and _index_offers_cuda(pip, pin, configuration)
    if platform.startswith("linux") and offered_cuda != (build == "cuda"):
        backend = "cpu" if build == "cpu" else "auto"
        if _install_with_uv(pip, pin, backend, configuration):
            return []
        _from_index(pip, pin, offered_cuda, environment)
        got = "CUDA build, which is larger and works too" if offered_cuda else "CPU build"
        return [f"{environment.name}: the {build.upper()} build of torch could not be had; this is the {got}."]
    _from_index(pip, pin, offered_cuda, environment)
    return []


def _from_index(pip: Pip, pin: Pin, cuda: bool, environment: Environment) -> None:
    if cuda:  # with its own CUDA packages, at the versions it names; the rest as locked
        pip("install", "-c", str(environment.lock()), pin.requirement)
    else:
        pip("install", "--no-deps", pin.requirement)


def _index_offers_cuda(pip: Pip, pin: Pin, configuration: Configuration) -> bool:
    """Ask pip what it would install; metadata only. When it cannot say, take what Linux usually gets."""
    told = pip.answer(
        "install", "--dry-run", "--quiet", "--report", "-", "--no-deps", "--ignore-installed",
        "--only-binary=:all:", pin.requirement,
    )  # fmt: skip
    if not told:
        return True
    metadata = json.loads(told)["install"][0]["metadata"]
    return is_cuda(metadata["version"], metadata.get("requires_dist", []), configuration.torch_own)


def _install_with_uv(pip: Pip, pin: Pin, backend: str, configuration: Configuration) -> bool:
    """Install torch and what only it requires with uv, which knows where each build is published."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            pip("install", "--target", folder, f"uv=={configuration.uv}")
        except PreconditionError as error:
            pip.stages.say(str(error))
            return False
        command = [
            str(Path(folder) / "bin" / "uv"), "pip", "install", "--python", str(pip.environment.python),
            f"--torch-backend={backend}", pin.requirement,
        ]  # fmt: skip
        command += ["--no-deps"] if backend == "cpu" else ["-c", str(pip.environment.lock())]
        return run(command, pip.stages)[0] == 0
