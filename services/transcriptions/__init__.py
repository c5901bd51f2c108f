"""Sound files that are transcribed one by one, apart from projects: sent in, watched, read, listened to.

Each has a folder of its own (`shelf.py`), in which all that is known of it lies. The web process puts them there
and reads them; the worker transcribes one after the other (`queue.py`).
"""

from services.transcriptions.model import KIND, Facts, State, Transcription, UnknownTranscription, Wish
from services.transcriptions.shelf import Shelf

__all__ = ["KIND", "Facts", "Shelf", "State", "Transcription", "UnknownTranscription", "Wish"]
