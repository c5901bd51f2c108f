"""What a browser plays of a sound file: AAC on the very clock of the transcript, whatever the file was."""

from __future__ import annotations

import os
from pathlib import Path

from services.transcriptions.model import Transcription
from services.transcriptions.shelf import Shelf
from services.viewing.jobs import Progress
from workflow_scripts.common import ffmpeg
from workflow_scripts.common.atomic import remove_leftovers, replace, temporary_path
from workflow_scripts.common.errors import CancelledError, WorkflowError

#: Bytes of a second, to tell how far it is.
_BYTES_S = 12_000


def find_listening(shelf: Shelf, one: Transcription) -> Path | None:
    """The sound to play, None where it has not been made."""
    path = shelf.listening(one)
    return path if path.is_file() else None


def make_listening(shelf: Shelf, one: Transcription, progress: Progress) -> None:
    """Make the sound to play unless it is there; it appears when it is whole.

    Raises:
        ToolError: the file has no sound that can be read, or the disk is full.
        WorkflowError: it cannot be written.
        CancelledError: the application is ending.
    """
    target = shelf.listening(one)
    if target.is_file():
        return

    def show(state: ffmpeg.Progress) -> None:
        if progress.ended:
            raise CancelledError("The application is ending.")
        if one.duration:
            progress.tell(state.size / (_BYTES_S * one.duration))

    try:
        remove_leftovers(target.parent)
        partial = temporary_path(target, ".m4a")
        try:
            ffmpeg.run(ffmpeg.listening_command(shelf.sound(one), partial), one.name, progress=show)
            with partial.open("rb") as stream:
                os.fsync(stream.fileno())
            replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise WorkflowError(
            f"The sound of {one.name} cannot be made ready for listening: {error.strerror}.",
            hint="Make room on the disk.",
            retry=True,
        ) from error
