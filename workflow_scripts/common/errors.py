"""What can go wrong, as one tree; each error is a sentence for the person in front of the screen.

WorkflowError                exit 1   base of all
├── UsageError               exit 2   an option, a parameter or a configuration file is wrong
├── PreconditionError        exit 3   a model, token, tool or environment is missing; nothing was started
├── CancelledError           exit 130 a person or the controller stopped the work
├── VideoError               exit 1   this video cannot be processed; the others go on
│   ├── RefusedError                  the input itself is bad or hostile (media, archive, name)
│   ├── BlockedError                  an earlier step has not finished for this video
│   ├── ArtifactError                 an artifact cannot be read: which file, and why
│   └── ClockError                    a frame count differs from what STEP2 measured
├── ToolError                exit 1   ffmpeg ended with an error (its last words are in the message)
├── DeviceFault              exit 1   CUDA error or out of memory: the ladder may still save the video
└── TorchScriptFault         exit 1   TorchScript failed: without it the video may still be saved
"""

from __future__ import annotations

from pathlib import Path


class WorkflowError(Exception):
    """Base of every error that is shown to a person.

    Args:
        message: what happened and to which file, one sentence.
        hint: what to do about it, one sentence; empty when there is nothing to do.
        retry: whether trying again without changing anything can help.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", retry: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.retry = retry

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UsageError(WorkflowError):
    """Raised when an option, a parameter or a configuration file cannot be used as given."""

    exit_code = 2


class PreconditionError(WorkflowError):
    """Raised before any work starts, when a model, token, tool or environment is missing."""

    exit_code = 3


class CancelledError(WorkflowError):
    """Raised inside a step when it is asked to stop (SIGINT or SIGTERM)."""

    exit_code = 130


class VideoError(WorkflowError):
    """Raised when one video cannot be processed; the step goes on with the next."""


class RefusedError(VideoError):
    """Raised when an input is bad or hostile: no video inside, a zip bomb, an impossible name."""


class BlockedError(VideoError):
    """Raised when an earlier step has not finished for this video."""


class ArtifactError(VideoError):
    """Raised when an artifact cannot be read; names the file and the reason."""

    def __init__(self, path: Path, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{path.name}: {reason}", hint=hint)
        self.path = path
        self.reason = reason


class ClockError(VideoError):
    """Raised when a later step decodes another number of frames than STEP2 measured."""


class ToolError(WorkflowError):
    """Raised when ffmpeg ends with an error."""


class DeviceFault(WorkflowError):
    """Raised when the accelerator fails; `out_of_memory` tells whether a smaller batch can help."""

    def __init__(self, message: str, *, out_of_memory: bool) -> None:
        super().__init__(message, retry=True)
        self.out_of_memory = out_of_memory


class TorchScriptFault(WorkflowError):
    """Raised when a model cannot be scripted, warmed up or run with TorchScript."""

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="Allow falling back from TorchScript, or switch it off.")
