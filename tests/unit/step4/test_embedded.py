"""The embedded engine on real speech, and on what is no speech."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.step4.embedded import EmbeddedEngine
from workflow_scripts.step4.engine import REFERENCE, Diarization, Mode, SpeakerCount
from workflow_scripts.step4.model_files import segmentation_file
from workflow_scripts.step4.segmentation import SpeakerSegmentation
from workflow_scripts.step4.sound import record

MEDIA = Path(__file__).parents[4] / "shared" / "media"
ANY = SpeakerCount()
RATE = 16000


def listen(engine: Any, waveform: np.ndarray, speakers: SpeakerCount = ANY) -> Diarization:
    found: Diarization = engine.diarize(waveform, speakers, lambda *_: None)
    return found


@pytest.fixture(scope="module")
def found(engine: Any, sample: np.ndarray) -> Diarization:
    return listen(engine, sample)


def test_the_two_people_on_the_telephone_are_found_and_told_apart(
    found: Diarization, sample_reference: Any, error_rate: Any
) -> None:
    assert found.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert error_rate(found, sample_reference) < 0.12


def test_people_who_talk_at_once_are_both_heard(found: Diarization) -> None:
    both = [(a, b) for a in found.turns for b in found.turns if a.speaker < b.speaker]
    assert sum(max(0.0, min(a.end, b.end) - max(a.start, b.start)) for a, b in both) > 0.5


def test_speech_and_labels_agree_and_labels_count_up(found: Diarization) -> None:
    moments = np.arange(0.005, found.duration, 0.01)
    heard = np.zeros(len(moments), bool)
    labelled = np.zeros(len(moments), bool)
    for segment in found.speech:
        heard |= (moments >= segment.start) & (moments < segment.end)
    for turn in found.turns:
        labelled |= (moments >= turn.start) & (moments < turn.end)
    assert np.array_equal(heard, labelled)
    assert 0.7 < heard.mean() < 0.8  # 74.9 % in the reference
    assert found.turns[0].speaker == "SPEAKER_00"
    assert found.duration == 30.0


def test_a_sound_in_a_file_gives_the_answer_of_the_same_sound_in_memory(
    engine: Any, sample: np.ndarray, found: Diarization, tmp_path: Path
) -> None:
    samples = np.rint(sample * 32768).astype("<i2")
    assert np.array_equal(samples / np.float32(32768), sample)
    with record([samples[:99_999].tobytes(), samples[99_999:].tobytes()], tmp_path) as sound:
        heard = engine.diarize(sound, ANY, lambda *_: None)
    assert heard == found
    assert [turn.score for turn in heard.turns] == [turn.score for turn in found.turns]


def test_how_surely_speech_is_heard_goes_with_where_it_is_found(found: Diarization) -> None:
    assert found.heard.shape == (300,) and found.heard.min() >= 0 and found.heard.max() <= 1
    moments = np.arange(0.05, 30, 0.1)
    speech = np.array([any(s.start <= moment < s.end for s in found.speech) for moment in moments])
    assert found.heard[speech].mean() > 0.8 and found.heard[~speech].mean() < 0.2
    assert all(turn.score is not None and 0.5 < turn.score <= 1 for turn in found.turns)


def test_every_batch_of_the_networks_is_told(engine: Any, sample: np.ndarray) -> None:
    told: list[tuple[str, int, float]] = []
    engine.diarize(sample, ANY, lambda *_: None, lambda *batch: told.append(batch))
    assert sum(items for kind, items, _ in told if kind == "segmentation") == 51
    assert 20 < sum(items for kind, items, _ in told if kind == "embeddings") < 75
    assert all(seconds > 0 for *_, seconds in told)


def test_half_precision_is_computed_where_it_is_asked_for(
    engine: Any, sample: np.ndarray, sample_reference: Any, found: Diarization, error_rate: Any
) -> None:
    half = EmbeddedEngine.installed(0.5, 0.3, Mode("cpu", "bfloat16"))
    assert engine.mode == REFERENCE and str(half.mode) == "CPU bfloat16"
    other = listen(half, sample)
    assert not np.array_equal(other.heard, found.heard)  # not the same numbers
    assert error_rate(other, sample_reference) < 0.15  # on a clean recording they do no harm


def test_half_precision_loses_the_speech_of_a_quiet_recording_in_an_echoing_room(
    engine: Any, sample: np.ndarray
) -> None:
    rng = np.random.default_rng(0)
    echo = rng.normal(size=8000) * np.exp(-np.arange(8000) / 1160)
    echo[0] = 4
    far = np.convolve(sample, echo)[: len(sample)]
    far = far / far.std() + 0.1 * rng.normal(size=len(far))
    quiet = (np.rint(far * 0.001 * 32768) / 32768).astype(np.float32)
    modes = [REFERENCE, Mode("cpu", "bfloat16")]
    networks = [SpeakerSegmentation(segmentation_file(), mode) for mode in modes]
    heard = [np.concatenate(list(network.chunks(quiet, lambda *_: None))).max(axis=2) for network in networks]
    shares = [float((probability >= 0.5).mean()) for probability in heard]
    assert shares[0] > 0.25 and shares[1] < 0.05  # the detector, always in FP32, keeps the engine from it
    assert len(listen(engine, quiet).turns) > 0


@pytest.mark.parametrize("wanted", [1, 2, 3])
def test_a_number_of_speakers_that_is_given_is_kept(engine: Any, sample: np.ndarray, wanted: int) -> None:
    assert len(listen(engine, sample, SpeakerCount(exact=wanted)).speakers) == wanted


def test_limits_of_the_number_of_speakers_are_kept(engine: Any, sample: np.ndarray) -> None:
    assert len(listen(engine, sample, SpeakerCount(maximum=1)).speakers) == 1
    assert len(listen(engine, sample, SpeakerCount(minimum=3)).speakers) == 3


def test_without_the_segmentation_network_speakers_are_still_told_apart_when_their_number_is_given(
    plain_engine: Any, sample: np.ndarray, sample_reference: Any, error_rate: Any
) -> None:
    found = listen(plain_engine, sample, SpeakerCount(exact=2))
    assert plain_engine.name == "embedded (silero + GE2E)"
    assert error_rate(found, sample_reference) < 0.22


@pytest.mark.parametrize("level", [0.01, 3.0])
def test_how_loud_it_was_recorded_changes_little(
    engine: Any, sample: np.ndarray, sample_reference: Any, error_rate: Any, level: float
) -> None:
    found = listen(engine, (sample * level).astype(np.float32))
    assert len(found.speakers) == 2
    assert error_rate(found, sample_reference) < 0.15


def test_speech_is_heard_through_noise_and_noise_alone_is_no_speech(
    engine: Any, sample: np.ndarray, sample_reference: Any, error_rate: Any
) -> None:
    noise = np.random.default_rng(0).normal(size=len(sample)).astype(np.float32)
    noise *= np.sqrt(np.mean(sample**2) / 10)  # 10 dB below
    assert error_rate(listen(engine, sample + noise, SpeakerCount(exact=2)), sample_reference) < 0.25
    assert listen(engine, noise).turns == ()


RNG = np.random.default_rng(1)
TIMES = np.arange(6 * RATE) / RATE
NO_SPEECH = {
    "no samples": np.zeros(0),
    "one sample": np.ones(1),
    "10 ms": RNG.normal(size=160) * 0.1,
    "silence": np.zeros(6 * RATE),
    "faint noise": RNG.normal(size=6 * RATE) * 1e-4,
    "loud noise": RNG.normal(size=6 * RATE),
    "a tone": 0.3 * np.sin(2 * np.pi * 440 * TIMES),
    "a chord with a beat": 0.2 * sum(np.sin(2 * np.pi * f * TIMES) for f in (220, 277, 330)) * (TIMES % 0.5 < 0.3),
    "clicks": (np.arange(6 * RATE) % 8000 == 0) * 1.0,
    "samples that are no numbers": np.full(RATE, np.nan),
}


@pytest.mark.parametrize("sound", NO_SPEECH.values(), ids=NO_SPEECH.keys())
@pytest.mark.parametrize("variant", ["engine", "plain_engine"])
def test_what_is_no_speech_gives_no_turn(request: pytest.FixtureRequest, variant: str, sound: np.ndarray) -> None:
    found = listen(request.getfixturevalue(variant), sound.astype(np.float32))
    assert found == Diarization((), (), len(sound) / RATE)


def test_the_shortest_words_do_not_break_it(engine: Any, sample: np.ndarray) -> None:
    for samples in (160, 1600, 4000, 8000, 16000):
        found = listen(engine, sample[11 * RATE : 11 * RATE + samples], SpeakerCount(exact=4))
        assert all(turn.end <= samples / RATE for turn in found.turns)


def test_damaged_samples_inside_speech_do_not_spread(engine: Any, sample: np.ndarray) -> None:
    damaged = sample.copy()
    damaged[5000:5100] = np.nan
    damaged[100] = np.inf
    assert len(listen(engine, damaged).speakers) == 2


def test_progress_only_grows_and_reaches_its_total(engine: Any, sample: np.ndarray) -> None:
    told: list[tuple[int, int]] = []
    engine.diarize(sample, ANY, lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (1000, 1000) and len(told) > 5


def test_a_cancelled_engine_stops_at_once_and_works_again(engine: Any, sample: np.ndarray) -> None:
    def cancel(done: int, _total: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.diarize(sample, ANY, cancel)
    assert len(listen(engine, sample).speakers) == 2


LISTEN_IN_A_PROCESS = """
import sys
import soundfile
from workflow_scripts.step4.embedded import EmbeddedEngine
from workflow_scripts.step4.engine import SpeakerCount
sound = soundfile.read(sys.argv[1], dtype="float32")[0]
print(EmbeddedEngine.installed(0.5, 0.3).diarize(sound, SpeakerCount(), lambda *_: None).turns)
"""


def test_the_answer_is_the_same_whatever_the_number_of_threads(found: Diarization, sample_folder: Path) -> None:
    for threads in ("1", "3"):
        command = [sys.executable, "-c", LISTEN_IN_A_PROCESS, str(sample_folder / "sample.wav")]
        environment = {"OMP_NUM_THREADS": threads, "PATH": ""}
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert answer.stdout.strip() == str(found.turns)


def decoded(name: str, start: float, end: float) -> np.ndarray:
    if not (MEDIA / name).is_file():
        pytest.skip("the shared media are not here")
    sound = np.frombuffer(b"".join(decode_pcm(MEDIA / name, RATE)), "<i2").astype(np.float32) / 32768
    piece = sound[int(start * RATE) : int(end * RATE)]
    return piece * np.float32(0.06 / np.sqrt(np.mean(piece**2)))


PEOPLE = {
    "president": ("fw_jfk.flac", (0.2, 5), (5, 10.8)),
    "reader": ("aen_sonnet1_en.mp3", (5, 12), (20, 26)),
    "commentator": ("tc_nasa_13013_mkv_duration_tag.mkv", (0, 6), (6, 12)),
    "narrator": ("ae_example.mp4", (0, 5), (12, 17)),
}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_dialogues_of_one_to_four_people_have_their_number_of_speakers(engine: Any, count: int) -> None:
    pause = np.zeros(RATE // 2, np.float32)
    people = list(PEOPLE.values())[:count]
    turns = [decoded(name, *spans[part]) for part in (0, 1) for name, *spans in people]
    found = listen(engine, np.concatenate([piece for turn in turns for piece in (turn, pause)]))
    assert len(found.speakers) == count


MEETINGS = {"dev00": ("development", 0.25), "trn05": ("train", 0.2)}


@pytest.mark.parametrize("meeting", MEETINGS)
def test_a_real_meeting_stays_below_its_error(engine: Any, error_rate: Any, meeting: str) -> None:
    part, bound = MEETINGS[meeting]
    sound = MEDIA / f"pya_ami_{meeting}.wav"
    if not sound.is_file():
        pytest.skip("the shared media are not here")
    lines = (MEDIA / f"pya_ami_debug.{part}.rttm").read_text().split("\n")
    fields = [line.split() for line in lines if line.startswith(f"SPEAKER {meeting} ")]
    reference = [(float(f[3]), float(f[3]) + float(f[4]), f[7]) for f in fields]
    waveform = np.frombuffer(b"".join(decode_pcm(sound, RATE)), "<i2").astype(np.float32) / 32768
    assert error_rate(listen(engine, waveform), reference) < bound


@pytest.mark.parametrize(
    ("name", "speakers"),
    [
        ("ae_example.mp4", 1),
        ("vr_face1.mp4", 1),
        ("drv_grid_twoface.mp4", 2),
        ("mpy_chaplin.mp4", 0),
        ("pya_empty.wav", 0),
    ],
)
def test_real_videos_have_their_number_of_speakers(engine: Any, name: str, speakers: int) -> None:
    if not (MEDIA / name).is_file():
        pytest.skip("the shared media are not here")
    waveform = np.frombuffer(b"".join(decode_pcm(MEDIA / name, RATE)), "<i2").astype(np.float32) / 32768
    assert len(listen(engine, waveform).speakers) == speakers


def test_an_engine_made_anew_gives_the_same_answer(found: Diarization, sample: np.ndarray) -> None:
    assert listen(EmbeddedEngine.installed(0.5, 0.3), sample) == found
