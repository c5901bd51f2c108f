"""From a sound to its transcript: listen where speech is, recognise that, believe what is to be believed.

The same for a video's sound and for any sound file; segments are told as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript
from workflow_scripts.step4.engine import SAMPLE_RATE, Sound, Waveform
from workflow_scripts.step4.mel import FRAME_RATE
from workflow_scripts.step4.model_files import silero_file
from workflow_scripts.step4.speech import loud_probabilities
from workflow_scripts.step4.transcription_engine import WINDOW_SECONDS, Recognizer
from workflow_scripts.step4.transcription_guards import Guard
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_recognised import Recognised
from workflow_scripts.step4.transcription_windows import Span, heard_speech, whole_windows, windows_of
from workflow_scripts.step4.transcription_words import on_clock, whole
from workflow_scripts.step4.voice_activity import VoiceActivity

_FRAME_SAMPLES = SAMPLE_RATE // FRAME_RATE
#: Windows that are asked for the language, spread over the sound.
LANGUAGE_WINDOWS = 4

Progress = Callable[[float], None]
"""Called with the seconds of sound that are done."""
Tell = Callable[[Spoken], None]
"""Called with each segment as it comes, in order."""


def transcribe(
    sound: Sound,
    recognizer: Recognizer,
    how: Recognition,
    *,
    model: str,
    batch_size: int = 1,
    progress: Progress = lambda _seconds: None,
    tell: Tell = lambda _segment: None,
) -> Recognised:
    """What is said in a sound, in seconds from its beginning.

    Memory does not grow with the sound's length but for 4 bytes a 10 ms and the words themselves.
    """
    recognizer.begin()
    speech, windows = _listen(sound, how)
    duration = len(sound) / SAMPLE_RATE
    language, probability = how.language or "", 1.0 if how.language else 0.0
    if windows and how.language is None:
        language, probability = recognizer.language_of([_waveform(sound, one) for one in _spread(windows)])
    guard = Guard(how, speech)
    segments: list[Spoken] = []
    for window, found in _recognised(sound, windows, recognizer, language, how, batch_size):
        begin, end = window[0] / FRAME_RATE, min(window[1] / FRAME_RATE, duration)
        words = [whole(one, language) for one in found]
        for one in guard.believed(on_clock(words, begin, end, speech)):
            segments.append(one)
            tell(one)
        progress(window[1] / FRAME_RATE)
    progress(duration)
    if not segments:
        language, probability = how.language or "", 1.0 if how.language else 0.0
    transcript = Transcript(language, probability, how.task, model, duration, tuple(segments))
    seconds = None if speech is None else float(speech.sum()) / FRAME_RATE
    return Recognised(transcript, seconds, _covered(speech, segments), len(windows), dict(guard.dropped))


def _listen(sound: Sound, how: Recognition) -> tuple[NDArray[np.bool_] | None, list[Span]]:
    frames = len(sound) // _FRAME_SAMPLES
    if not how.vad:
        return None, whole_windows(frames, WINDOW_SECONDS)
    score = loud_probabilities(VoiceActivity(silero_file()), sound, frames, FRAME_RATE)
    speech = heard_speech(score, how.vad_threshold)
    return speech, windows_of(speech, score, WINDOW_SECONDS)


def _recognised(
    sound: Sound,
    windows: Sequence[Span],
    recognizer: Recognizer,
    language: str,
    how: Recognition,
    batch_size: int,
) -> Iterator[tuple[Span, tuple[Spoken, ...]]]:
    """Each window with what is said in it; no more of the sound is held than one batch."""
    rest = iter(windows)
    while some := list(islice(rest, batch_size)):
        sounds = [_waveform(sound, one) for one in some]
        yield from zip(some, recognizer.recognise(sounds, language, how, batch_size), strict=True)


def _waveform(sound: Sound, window: Span) -> Waveform:
    return sound[window[0] * _FRAME_SAMPLES : window[1] * _FRAME_SAMPLES]


def _spread(windows: Sequence[Span]) -> list[Span]:
    """A few windows from beginning to end."""
    count = min(LANGUAGE_WINDOWS, len(windows))
    return [windows[place * len(windows) // count] for place in range(count)]


def _covered(speech: NDArray[np.bool_] | None, segments: Sequence[Spoken]) -> float | None:
    if speech is None or not speech.any():
        return None
    words = np.zeros(len(speech), np.bool_)
    for segment in segments:
        for word in segment.words:
            words[int(word.start * FRAME_RATE) : int(np.ceil(word.end * FRAME_RATE))] = True
    return float((words & speech).sum() / speech.sum())
