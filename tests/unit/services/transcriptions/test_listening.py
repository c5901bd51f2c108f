"""What a browser plays of a sound file: on the clock of the words, and whole or not at all."""

from __future__ import annotations

import threading
import wave
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from services.transcriptions import Shelf, Wish
from services.transcriptions.listening import find_listening, make_listening
from services.viewing.jobs import Progress
from workflow_scripts.common.errors import CancelledError, ToolError
from workflow_scripts.common.ffmpeg import decode_pcm

RATE = 16000


def click(path: Path, at: float, seconds: float) -> None:
    """Write silence with a tone of a tenth of a second at a time."""
    sound = np.zeros(round(seconds * RATE), np.int16)
    first = round(at * RATE)
    sound[first : first + RATE // 10] = (20000 * np.sin(np.arange(RATE // 10) * 0.3)).astype(np.int16)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE)
        out.writeframes(sound.tobytes())


def begin_of_tone(path: Path) -> float:
    """Seconds from the beginning to the tone, as a player hears it: with the file's own times."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.abs(frame.to_ndarray().astype(float)).max(axis=0) > 0.2
            if loud.any():
                return float(frame.time or 0.0) + float(np.argmax(loud)) / frame.sample_rate
    raise AssertionError("there is no tone")


def put(shelf: Shelf, file: Path, name: str) -> Any:
    """The transcription of a file."""
    return shelf.find(shelf.put(file, name, Wish(), "0123abcd"))


def progress() -> Progress:
    """Of a build that nobody ends."""
    return Progress(threading.Event())


@pytest.mark.parametrize("at", [0.5, 4.321])
def test_a_sound_is_heard_when_the_words_say_so(shelf: Shelf, tmp_path: Path, at: float) -> None:
    shelf.folder.mkdir()
    click(tmp_path / "a.wav", at, 6.0)
    one = put(shelf, tmp_path / "a.wav", "it's 100%  .wav")
    assert find_listening(shelf, one) is None
    make_listening(shelf, one, progress())
    found = find_listening(shelf, one)
    assert found is not None and begin_of_tone(found) == pytest.approx(at, abs=0.02)
    heard = np.frombuffer(b"".join(decode_pcm(shelf.sound(one), RATE)), np.int16)
    assert np.argmax(np.abs(heard) > 3000) / RATE == pytest.approx(at, abs=0.02)  # what is recognised


def test_the_sound_of_a_video_that_begins_late_keeps_its_place(shelf: Shelf, tmp_path: Path) -> None:
    shelf.folder.mkdir()
    path = tmp_path / "late.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=RATE, layout="mono")
        tone = (20000 * np.sin(np.arange(RATE) * 0.3)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, 3 * RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    one = put(shelf, path, "late.mkv")
    make_listening(shelf, one, progress())
    found = find_listening(shelf, one)
    heard = np.frombuffer(b"".join(decode_pcm(shelf.sound(one), RATE)), np.int16)
    recognised = float(np.argmax(np.abs(heard) > 3000)) / RATE
    assert found is not None and begin_of_tone(found) == pytest.approx(recognised, abs=0.03)


def test_a_file_without_sound_is_refused_with_a_sentence_and_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.folder.mkdir()
    (tmp_path / "a.mp3").write_text("these are words, not sound")
    one = put(shelf, tmp_path / "a.mp3", "a.mp3")
    with pytest.raises(ToolError, match=r"a\.mp3"):
        make_listening(shelf, one, progress())
    assert {path.name for path in (shelf.folder / one.key).iterdir()} == {"request.json", "sound"}


def test_making_it_ends_with_the_application(shelf: Shelf, tmp_path: Path) -> None:
    shelf.folder.mkdir()
    click(tmp_path / "a.wav", 1.0, 600.0)
    one = put(shelf, tmp_path / "a.wav", "a.wav")
    ended = threading.Event()
    ended.set()
    with pytest.raises(CancelledError):
        make_listening(shelf, one, Progress(ended))
    assert find_listening(shelf, one) is None
    assert not list((shelf.folder / one.key).glob(".tmp-*"))
