"""A mode that diverges from FP32 on the CPU is caught on the video's own sound, left, and remembered."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from made_up_engine import MadeUpEngine, sound_of, tenths

from workflow_scripts.common.errors import DeviceFault
from workflow_scripts.step4.consistency import (
    EXCERPT_SECONDS,
    Excerpt,
    check,
    choose_excerpt,
    is_suspicious,
    on_tenths,
    speech_share,
)
from workflow_scripts.step4.engine import REFERENCE, Mode, Sound, SpeakerCount, diarization
from workflow_scripts.step4.trust import Judged, TrustedEngine
from workflow_scripts.step4.verdicts import Verdicts

HALF, GPU = Mode("cuda", "float16"), Mode("cuda")
LOUD, QUIET = 0.5, 0.001
CLEAN = sound_of((5, 0), (55, LOUD), (10, 0))
#: Speech from 2 s to 100 s, all of it too quiet for half precision but for the last 6 s: as in the incident.
COLLAPSING = sound_of((2, 0), (92, QUIET), (6, LOUD), (9, 0))


@pytest.fixture(autouse=True)
def no_gpu_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow_scripts.step4.verdicts._device_name", lambda device: f"a {device}")


class House:
    """A trusted engine on a made-up one, and what came of it."""

    def __init__(self, folder: Path, mode: Mode, deaf: dict[Mode, float], checked: bool = True) -> None:
        self.made: list[MadeUpEngine] = []
        self.folder = folder

        def load(mode: Mode) -> MadeUpEngine:
            self.made.append(MadeUpEngine(mode, deaf))
            return self.made[-1]

        def listen(sound: Sound) -> np.ndarray:
            return tenths(sound[0 : len(sound)]) > 0

        self.engine = TrustedEngine(load, mode, listen, Verdicts(folder), checked)

    def diarize(self, sound: np.ndarray, name: str = "a.mp4") -> Judged:
        return self.engine.diarize(name, sound, SpeakerCount(), lambda *_: None)

    @property
    def inconsistencies(self) -> list[str]:
        path = self.folder / "debug" / "audio_inconsistencies.log"
        return path.read_text().splitlines() if path.exists() else []


def test_a_collapse_like_the_one_that_went_unnoticed_is_caught_on_the_video_itself(tmp_path: Path) -> None:
    house = House(tmp_path, HALF, {HALF: 0.1})
    collapsed = house.made[0].diarize(COLLAPSING, SpeakerCount(), lambda *_: None)
    assert round(speech_share(on_tenths(collapsed)), 3) == 0.055  # above a fixed alarm at 5 %
    judged = house.diarize(COLLAPSING)
    assert round(speech_share(on_tenths(judged.found)), 2) == 0.90
    assert judged.mode == GPU
    assert len(judged.warnings) == 1 and "a.mp4: CUDA float16 says otherwise" in judged.warnings[0]
    assert len(house.inconsistencies) == 1 and '"video": "a.mp4"' in house.inconsistencies[0]


def test_half_precision_is_asked_about_every_video_and_kept_while_it_agrees(tmp_path: Path) -> None:
    house = House(tmp_path, HALF, {HALF: 0.1})
    for name in ("a.mp4", "b.mp4"):
        judged = house.diarize(CLEAN, name)
        assert judged.mode == HALF and judged.verdict is not None and judged.warnings == ()
    reference = house.made[1]
    assert reference.mode == REFERENCE and reference.heard == [EXCERPT_SECONDS, EXCERPT_SECONDS]
    assert house.inconsistencies == []


def test_after_a_divergence_half_precision_is_not_tried_again_in_this_run_nor_in_the_next(tmp_path: Path) -> None:
    house = House(tmp_path, HALF, {HALF: 0.1})
    house.diarize(COLLAPSING)
    assert house.diarize(CLEAN, "b.mp4").mode == GPU
    after = House(tmp_path, HALF, {HALF: 0.1})
    assert after.engine.engine.mode == GPU and "diverged" in after.engine.left


def test_fp32_on_a_gpu_is_asked_about_once_and_again_when_a_video_is_suspicious(tmp_path: Path) -> None:
    house = House(tmp_path, GPU, {GPU: 0.0001})
    assert house.diarize(CLEAN).verdict is not None
    assert house.diarize(CLEAN, "b.mp4").verdict is None
    assert House(tmp_path, GPU, {}).diarize(CLEAN, "c.mp4").verdict is None
    silent = sound_of((60, 0.00005))  # the independent detector hears it, the engine does not
    with pytest.raises(DeviceFault, match="CUDA FP32 says otherwise"):
        house.diarize(silent, "d.mp4")


def test_fp32_on_a_gpu_that_diverges_is_a_fault_of_the_device_so_that_the_video_goes_to_the_cpu(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, GPU, {GPU: 0.1})
    with pytest.raises(DeviceFault) as fault:
        house.diarize(COLLAPSING)
    assert not fault.value.out_of_memory
    assert len(house.inconsistencies) == 1


def test_on_the_cpu_nothing_is_compared_but_the_independent_detector_is_heard(tmp_path: Path) -> None:
    house = House(tmp_path, REFERENCE, {REFERENCE: 0.1})
    judged = house.diarize(COLLAPSING)
    assert judged.verdict is None and len(house.made) == 1
    assert judged.warnings == (
        "a.mp4: speech was found in 6% of the sound, an independent detector hears it in 90%. "
        "Music or noise can be the reason; listen to it.",
    )
    assert house.diarize(CLEAN).warnings == ()


def test_without_the_check_fp32_on_a_gpu_is_not_asked_about_but_half_precision_is(tmp_path: Path) -> None:
    assert House(tmp_path, GPU, {GPU: 0.1}, checked=False).diarize(COLLAPSING).verdict is None
    assert House(tmp_path, HALF, {HALF: 0.1}, checked=False).diarize(COLLAPSING).mode == GPU


def test_a_sound_without_samples_is_not_checked(tmp_path: Path) -> None:
    assert House(tmp_path, HALF, {}).diarize(np.zeros(0, np.float32)).verdict is None


def test_verdicts_that_cannot_be_read_are_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "profiling" / "audio_consistency.json"
    path.parent.mkdir()
    path.write_text("{ no json")
    assert House(tmp_path, HALF, {}).diarize(CLEAN).verdict is not None
    entry = next(iter(json.loads(path.read_text()).values()))
    assert entry["agrees"] is True and entry["mode"] == "CUDA float16" and entry["error"] == 0


def test_another_version_of_a_package_makes_a_verdict_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    House(tmp_path, HALF, {HALF: 0.1}).diarize(COLLAPSING)
    monkeypatch.setattr("workflow_scripts.step4.verdicts._version", lambda _: "99")
    assert House(tmp_path, HALF, {}).engine.engine.mode == HALF


class TestExcerpts:
    def test_the_part_where_the_two_detectors_differ_most_is_chosen(self) -> None:
        found, independent = np.zeros(2000, bool), np.zeros(2000, bool)
        found[:800] = independent[:800] = True
        independent[1500:1800] = True
        assert choose_excerpt(found, independent, 200 * 16000) == Excerpt(150 * 16000, 180 * 16000)

    def test_where_they_agree_the_part_with_most_speech_is_chosen(self) -> None:
        found = np.zeros(2000, bool)
        found[1000:1300] = True
        assert choose_excerpt(found, found, 200 * 16000) == Excerpt(100 * 16000, 130 * 16000)

    def test_a_short_sound_is_taken_whole(self) -> None:
        assert choose_excerpt(np.zeros(120, bool), np.zeros(120, bool), 192_000) == Excerpt(0, 192_000)

    def test_the_verdict_tells_the_reference_first(self) -> None:
        verdict = check(
            MadeUpEngine(HALF, {HALF: 0.1}), MadeUpEngine(), COLLAPSING, Excerpt(0, 320_000), SpeakerCount()
        )
        assert verdict.agreement.speech == (0.9, 0.0)
        assert verdict.agreement.first == (2.0, None)


@pytest.mark.parametrize(
    ("found", "independent", "suspicious"),
    [
        (0, 0, False),
        (0.04, 0.04, False),
        (0.04, 0.06, True),
        (0.06, 0.86, True),
        (0.5, 0.55, False),
        (0.8, 0.6, True),
    ],
)
def test_what_is_suspicious(found: float, independent: float, suspicious: bool) -> None:
    masks = [np.arange(1000) < share * 1000 for share in (found, independent)]
    assert is_suspicious(*masks) is suspicious


def test_tenths_of_a_second_with_speech_are_those_of_the_turns() -> None:
    mask = on_tenths(diarization([(0.5, 1.2, "A"), (2.0, 2.5, "B")], 3.05))
    assert len(mask) == 31
    assert np.flatnonzero(mask).tolist() == [*range(5, 12), *range(20, 25)]
