"""The real loading, features, search and alignment with a tiny model that says its sentence over anything.

So what keeps silence, noise and music free of text here is what keeps a real model from inventing it.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workflow_scripts.common.artifacts.transcripts import Spoken
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.transcription_faster import FasterWhisper
from workflow_scripts.step4.transcription_guards import AGAIN, REPEATS, TOO_FAST, UNSURE
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_recognised import Recognised
from workflow_scripts.step4.transcription_sound import transcribe

RATE = 16000
HOW = Recognition()


@pytest.fixture(scope="module")
def whisper(tiny_whisper: Path) -> FasterWhisper:
    """The tiny model, loaded."""
    return FasterWhisper(tiny_whisper, "cpu", "auto", 1)


def noise(seconds: float, level: float) -> np.ndarray:
    """White noise."""
    random = np.random.default_rng(3)
    return (random.normal(size=round(seconds * RATE)) * level).clip(-1, 1).astype(np.float32)


def music(seconds: float) -> np.ndarray:
    """Chords with overtones, struck anew each half second."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = np.zeros_like(time)
    for number, root in enumerate((220.0, 174.6, 196.0, 146.8)):
        on = (time // 2 % 4) == number
        for third in (1.0, 1.26, 1.5):
            for overtone in (1, 2, 3):
                sound += on * np.sin(2 * np.pi * root * third * overtone * time) / overtone
    return (0.1 * sound * np.exp(-3 * (time % 0.5))).astype(np.float32)


def texts(found: Recognised) -> list[str]:
    """What is said."""
    return [one.text for one in found.transcript.segments]


def test_what_is_drawn_by_chance_for_a_sound_does_not_depend_on_those_before(
    build_whisper: Any, tmp_path: Path
) -> None:
    folder = build_whisper(tmp_path / "unsure", certainty=0.5)
    sound = noise(5, 0.1)

    def drawn(engine: FasterWhisper) -> list[str]:
        return [one.text for one in engine._decoded(sound, "fr", HOW, temperature=1.0)]

    engine = FasterWhisper(folder, "cpu", "auto", 1)
    fresh = drawn(engine)
    assert drawn(engine) != fresh  # it goes on drawing
    list(engine.recognise([sound], "fr", HOW, 1))  # unsure, so decoded anew by chance
    engine.begin()
    assert drawn(engine) == fresh == drawn(FasterWhisper(folder, "cpu", "auto", 1))


# ----------------------------------------------------------------------------------------- invents nothing
@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(90 * RATE, np.float32),
        noise(90, 0.2),
        noise(90, 0.0005),
        music(90),
        music(60) + noise(60, 0.02),
        np.zeros(0, np.float32),
        np.zeros(50, np.float32),
    ],
    ids=["silence", "noise", "faint noise", "music", "music in noise", "nothing", "half a frame"],
)
def test_where_nobody_speaks_there_is_no_text(whisper: FasterWhisper, sound: np.ndarray) -> None:
    found = transcribe(sound, whisper, HOW, model="tiny")
    assert texts(found) == [] and found.transcript.language == ""


def test_without_the_detector_the_same_model_would_invent_text(whisper: FasterWhisper) -> None:
    found = transcribe(noise(70, 0.2), whisper, Recognition(vad=False), model="tiny")
    assert texts(found) == ["Bonjour à tous."] * 3


def test_the_same_sentence_over_and_over_is_dropped_even_without_the_detector(whisper: FasterWhisper) -> None:
    found = transcribe(np.zeros(300 * RATE, np.float32), whisper, Recognition(vad=False), model="tiny")
    assert len(texts(found)) == 3 and found.dropped == {AGAIN: 7}


def test_text_that_repeats_itself_is_dropped(build_whisper: Any, tmp_path: Path, sample: np.ndarray) -> None:
    folder = build_whisper(tmp_path / "loop", " ha" * 18, end=20.0)
    found = transcribe(sample, FasterWhisper(folder, "cpu", "auto", 1), HOW, model="loop")
    assert texts(found) == [] and found.dropped == {REPEATS: 1}


def test_text_faster_than_anybody_speaks_is_dropped(build_whisper: Any, tmp_path: Path, sample: np.ndarray) -> None:
    folder = build_whisper(tmp_path / "fast", " Sous-titrage Société Radio-Canada", end=0.4)
    found = transcribe(sample, FasterWhisper(folder, "cpu", "auto", 1), HOW, model="fast")
    assert texts(found) == [] and found.dropped == {TOO_FAST: 1}


def test_text_that_the_model_itself_doubts_is_dropped(
    build_whisper: Any, tmp_path: Path, sample: np.ndarray
) -> None:
    folder = build_whisper(tmp_path / "unsure", certainty=0.01)
    how = Recognition(language="fr", no_speech=0.0)
    found = transcribe(sample, FasterWhisper(folder, "cpu", "float32", 1), how, model="unsure", batch_size=2)
    assert texts(found) == []
    assert set(found.dropped) <= {UNSURE, REPEATS, TOO_FAST}


# --------------------------------------------------------------------------------------------- says what is
def test_words_are_on_the_clock_of_the_sound(whisper: FasterWhisper, sample: np.ndarray) -> None:
    found = transcribe(sample, whisper, HOW, model="tiny")
    (segment,) = found.transcript.segments
    assert [word.text for word in segment.words] == [" Bonjour", " à", " tous."]
    later = transcribe(np.concatenate([np.zeros(100 * RATE, np.float32), sample]), whisper, HOW, model="tiny")
    (moved,) = later.transcript.segments
    assert [word.start for word in moved.words] == pytest.approx(
        [word.start + 100 for word in segment.words], abs=0.1
    )
    assert later.transcript.duration == 130.0
    # It says its sentence in the first two seconds of the window, which begins just before the first speech.
    assert 6.0 < segment.start < 7.0 and segment.end - segment.start <= 2.0


def test_each_stretch_of_speech_is_recognised_and_told_as_it_comes(
    whisper: FasterWhisper, sample: np.ndarray
) -> None:
    silence = np.zeros(20 * RATE, np.float32)
    sound = np.concatenate([sample, silence, sample, silence])
    told: list[Spoken] = []
    done: list[float] = []
    found = transcribe(sound, whisper, HOW, model="tiny", progress=done.append, tell=told.append)
    assert told == list(found.transcript.segments) and len(told) == 2
    assert done == sorted(done) and done[-1] == 100.0
    assert found.windows == 2 and found.speech_seconds == pytest.approx(2 * 22.3, abs=0.5)
    assert all(later.start >= earlier.end for earlier, later in pairwise(told))


def test_several_windows_at_once_say_the_same_as_one_by_one(whisper: FasterWhisper, sample: np.ndarray) -> None:
    sound = np.concatenate([sample, np.zeros(20 * RATE, np.float32), sample, noise(20, 0.1), sample])
    alone = transcribe(sound, whisper, HOW, model="tiny").transcript
    together = transcribe(sound, whisper, HOW, model="tiny", batch_size=2).transcript
    assert [one.text for one in together.segments] == [one.text for one in alone.segments]
    starts = [[word.start for word in transcript.words] for transcript in (alone, together)]
    assert starts[0] == pytest.approx(starts[1], abs=0.05)


def test_the_language_is_detected_or_taken_as_given(
    build_whisper: Any, tmp_path: Path, whisper: FasterWhisper, sample: np.ndarray
) -> None:
    found = transcribe(sample, whisper, HOW, model="tiny").transcript
    assert (found.language, round(found.language_probability, 2)) == ("fr", 1.0)
    german = FasterWhisper(build_whisper(tmp_path / "de", language="de"), "cpu", "auto", 1)
    assert german.language_of([sample])[0] == "de"
    given = transcribe(sample, whisper, Recognition(language="en"), model="tiny").transcript
    assert (given.language, given.language_probability) == ("en", 1.0)


def test_what_is_no_model_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"no model at all")
    with pytest.raises(PreconditionError, match=r"The speech model in .* cannot be loaded"):
        FasterWhisper(tmp_path, "cpu", "auto", 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_optional_engine_loads_and_recognises_through_its_own_package(
    tmp_path: Path, sample: np.ndarray
) -> None:
    package = pytest.importorskip("whisper", reason="openai-whisper is optional and not installed")
    import torch

    from workflow_scripts.step4.transcription_openai import OpenaiWhisper

    torch.manual_seed(0)
    sizes = package.model.ModelDimensions(80, 1500, 32, 2, 1, 51865, 448, 32, 2, 1)
    weights = {"dims": vars(sizes), "model_state_dict": package.model.Whisper(sizes).state_dict()}
    torch.save(weights, tmp_path / "random.pt")
    engine = OpenaiWhisper(tmp_path / "random.pt", "cpu", "auto")
    how = Recognition(no_speech=1.0, log_probability=-20.0, compression=1000.0, beam_size=1)
    (found,) = engine.recognise([sample[: 5 * RATE]], "fr", how, 1)
    assert engine.compute_type == "float32" and found
    assert all(0 <= word.start <= word.end <= 30 for one in found for word in one.words)
    probability = engine.language_of([sample])[1]
    assert 0 < probability <= 1
    with pytest.raises(PreconditionError, match="cannot be loaded as a model of openai-whisper"):
        OpenaiWhisper(Path(__file__), "cpu", "auto")
