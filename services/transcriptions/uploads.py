"""Sound files that come in pieces and become transcriptions when they are whole."""

from __future__ import annotations

from pathlib import Path

from services.transcriptions.model import Wish
from services.transcriptions.shelf import Shelf
from services.upload_names import check_sound_name
from services.uploads import Upload, Uploads


class SoundUploads(Uploads):
    """The uploads of a shelf; the note of each is its wish, and `stored_as` the key of its transcription.

    Args:
        largest, keep_s: see `Uploads`.
        shelf: where the transcriptions are.
    """

    otherwise = "`./transcribe.py FILE` takes a larger file from where it lies"

    def __init__(self, largest: int, keep_s: float, shelf: Shelf) -> None:
        super().__init__(largest, keep_s, shelf.folder)
        self._shelf = shelf

    def accept(self, name: str, project: str) -> None:
        """See that a file of this name can be kept."""
        check_sound_name(name)

    def store(self, part: Path, upload: Upload) -> str:
        """Let a whole file become a transcription that waits."""
        return self._shelf.put(part, upload.name, Wish(**upload.note), upload.id[:8])
