"""A real model on real speech: nothing is invented, lost or doubled, and the times are those of the speech."""

from __future__ import annotations

import re
import tempfile
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from workflow_scripts.common.artifacts.transcripts import Transcript
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.paths import ROOT
from workflow_scripts.step4.sound import record
from workflow_scripts.step4.transcription_faster import FasterWhisper
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_recognised import Recognised
from workflow_scripts.step4.transcription_sound import transcribe

RATE = 16000
JFK = ROOT.parent / "shared" / "media" / "fw_jfk.flac"
HOW = Recognition(beam_size=1)
#: Where the sample is silent between two people's sentences, in seconds.
PAUSE = 14.3


@cache
def loaded(folder: Path) -> FasterWhisper:
    return FasterWhisper(folder, "cpu", "auto", 2)


@pytest.fixture
def whisper(embedded_model: Path) -> FasterWhisper:
    """The model of audio_env, loaded once."""
    return loaded(embedded_model)


@pytest.fixture(scope="module")
def sentence(sample: np.ndarray) -> np.ndarray:
    """One sentence of 1.8 s."""
    return sample[round(12.5 * RATE) : round(PAUSE * RATE)]


def noise(seconds: float, level: float) -> np.ndarray:
    return (np.random.default_rng(1).normal(size=round(seconds * RATE)) * level).astype(np.float32)


def said(found: Recognised) -> str:
    """The words alone."""
    text = "".join(word.text for word in found.transcript.words).casefold()
    return " ".join("".join(sign for sign in one if sign.isalnum()) for one in text.split())


def heard(sound: np.ndarray, whisper: FasterWhisper, batch_size: int = 1) -> Recognised:
    return transcribe(sound, whisper, HOW, model="base", batch_size=batch_size)


def test_one_sentence_in_ten_minutes_of_faint_noise_is_all_that_is_said(
    whisper: FasterWhisper, sentence: np.ndarray
) -> None:
    sound = noise(600, 0.0005)
    sound[300 * RATE : 300 * RATE + len(sentence)] += sentence
    found = heard(sound, whisper)
    assert re.fullmatch("this is dian[ae] in new jersey", said(found)) and found.windows == 1
    words = found.transcript.words
    assert words[0].start == pytest.approx(300.0, abs=0.2) and words[-1].end == pytest.approx(301.6, abs=0.3)
    assert found.transcript.language == "en"


def test_windows_at_once_say_what_they_say_one_by_one(whisper: FasterWhisper, sample: np.ndarray) -> None:
    silence = np.zeros(6 * RATE, np.float32)
    sound = np.concatenate(
        [sample[: 22 * RATE], silence, sample[12 * RATE : 18 * RATE], silence, sample[6 * RATE :]]
    )
    alone, together = heard(sound, whisper), heard(sound, whisper, batch_size=8)
    assert alone.windows == 3
    assert said(together) == said(alone)


def test_words_are_in_order_have_a_time_and_lie_in_speech(whisper: FasterWhisper, sample: np.ndarray) -> None:
    found = heard(sample, whisper)
    transcript: Transcript = found.transcript
    words = transcript.words
    assert all(0.009 < word.end - word.start < 1.2 for word in words)
    assert all(one.start <= other.start for one, other in pairwise(words))
    assert words[0].start > 6.6  # "Hello?" is said at 6.68 s, and the window begins before it
    assert found.covered is not None and found.covered > 0.75
    assert "in new jersey" in said(found) and "chicago" in said(found)


@pytest.mark.parametrize("gain", [0.01, 30.0], ids=["40 dB quieter", "clipped"])
def test_a_sentence_is_understood_at_any_level(whisper: FasterWhisper, sample: np.ndarray, gain: float) -> None:
    sound = (sample[12 * RATE : 18 * RATE] * gain).clip(-1, 1).astype(np.float32)
    assert "in new jersey" in said(heard(sound, whisper))


@pytest.mark.skipif(not JFK.is_file(), reason="the real recordings are not beside the repository")
def test_a_sentence_said_three_times_is_not_taken_for_a_loop(whisper: FasterWhisper) -> None:
    with record(decode_pcm(JFK), Path(tempfile.gettempdir())) as sound:
        once = sound[: len(sound)]
    found = heard(np.concatenate([once, once, once])[: 30 * RATE], whisper)
    assert said(found).count("so my fellow") == 3, found.dropped
