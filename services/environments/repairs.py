"""What an environment needs beyond installed packages, and the proof that it works."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from services.environments.pip import clean_variables
from services.environments.spec import Environment
from workflow_scripts.common.errors import PreconditionError

QUIET = "import warnings; warnings.simplefilter('ignore')"


def link_ffmpeg(environment: Environment) -> None:
    """Make `bin/ffmpeg` lead to the static build inside the imageio-ffmpeg wheel."""
    binaries = sorted((environment.site_packages / "imageio_ffmpeg" / "binaries").glob("ffmpeg-*"))
    if not binaries:
        raise PreconditionError(f"{environment.name}: imageio-ffmpeg holds no ffmpeg for this platform.")
    link = environment.path / "bin" / "ffmpeg"
    target = os.path.relpath(binaries[-1], link.parent)
    if link.is_symlink() and link.readlink() == Path(target):
        return
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def repair_torchaudio(environment: Environment) -> str:
    """Make torchaudio importable beside a CPU build of torch; gives a note when something was done.

    On Linux the index's torchaudio is a CUDA build, whose compiled part does not load without CUDA libraries,
    and then nothing of it imports. Without that part (which nothing here calls) it does, in every process.
    """
    libraries = sorted((environment.site_packages / "torchaudio" / "lib").glob("*.so"))
    if not libraries or not (environment.site_packages / "torch").is_dir():
        return ""
    if _python(environment, "import torchaudio").returncode == 0:
        return ""
    cuda = _python(environment, "import torch; print(torch.version.cuda or '')")
    if cuda.returncode != 0 or cuda.stdout.strip():
        return ""  # not our case; `prove` will say what is wrong
    for library in libraries:
        library.unlink()
    return f"{environment.name}: torchaudio is used without its compiled part, which is for CUDA only."


def prove(environment: Environment) -> None:
    """Import what the environment is for, in its own process; raises PreconditionError with the reason."""
    code = "\n".join(f"import {module}" for module in environment.imports)
    done = _python(environment, code)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"exit status {done.returncode}"
        raise PreconditionError(
            f"{environment.name}: it is installed but does not work: {reason}.",
            hint=f"Run scripts/setup {environment.name} --force to make it anew.",
        )


def _python(environment: Environment, code: str) -> subprocess.CompletedProcess[str]:
    variables = clean_variables() | {"PYANNOTE_METRICS_ENABLED": "0", "HF_HUB_OFFLINE": "1"}
    command = [str(environment.python), "-c", f"{QUIET}\n{code}"]
    return subprocess.run(command, env=variables, cwd=environment.path, capture_output=True, text=True, check=False)
