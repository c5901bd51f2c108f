"""A command whose process does not outlive the one that started it, however that ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

# Run by a fresh interpreter: unlike `preexec_fn` this is safe in a process with threads.
_DIE_WITH_PARENT = (
    "import ctypes,os,signal,sys\n"
    "ctypes.CDLL(None).prctl(1,signal.SIGKILL,0,0,0)\n"
    "os.getppid()==int(sys.argv[1]) or sys.exit(1)\n"
    "os.execv(sys.argv[2],sys.argv[2:])"
)


def dying_with_parent(arguments: Sequence[str]) -> list[str]:
    """The command that runs `arguments` (an absolute path first) in a process that is killed with this one.

    On Linux the kernel does it, also when only the *thread* ends that started the process: start it and wait for
    it in one thread. Elsewhere the command is returned as it is.
    """
    if sys.platform != "linux":
        return list(arguments)
    return [sys.executable, "-I", "-S", "-c", _DIE_WITH_PARENT, str(os.getpid()), *arguments]
