"""Whether this machine has NVIDIA GPUs, found without torch and without any environment."""

from __future__ import annotations

import subprocess
from pathlib import Path


def nvidia_gpus(root: Path = Path("/")) -> tuple[str, ...]:
    """One line per GPU, as `nvidia-smi -L` names them; `NVIDIA GPU` for a driver without that tool; else empty."""
    try:
        told = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
        named = tuple(line.strip() for line in told.stdout.splitlines() if line.startswith("GPU "))
    except (OSError, subprocess.TimeoutExpired):
        named = ()
    return named or (("NVIDIA GPU",) if _driver_shows_one(root) else ())


def has_nvidia_gpu(root: Path = Path("/")) -> bool:
    """Whether there is at least one; asks nvidia-smi only where the driver's own files do not tell."""
    return _driver_shows_one(root) or bool(nvidia_gpus(root))


def _driver_shows_one(root: Path) -> bool:
    return (root / "dev/nvidia0").exists() or any((root / "proc/driver/nvidia/gpus").glob("*"))
