"""Deciding where there is speech."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step4.speech import (
    HYSTERESIS,
    drop_short,
    fill_gaps,
    on_frames,
    raising_gain,
    runs,
    speech_frames,
    speech_score,
)

masks = st.lists(st.booleans(), max_size=60).map(lambda values: np.array(values, bool))


def series(frames: int, *spans: tuple[int, int, float]) -> np.ndarray:
    values = np.zeros(frames, np.float32)
    for start, end, value in spans:
        values[start:end] = value
    return values


@given(masks)
def test_runs_are_the_mask(mask: np.ndarray) -> None:
    rebuilt = np.zeros_like(mask)
    for start, end in runs(mask):
        assert end > start and not rebuilt[start:end].any()
        rebuilt[start:end] = True
    assert np.array_equal(rebuilt, mask)


@given(masks, st.integers(0, 8))
def test_no_run_and_no_gap_is_left_that_is_too_short(mask: np.ndarray, shortest: int) -> None:
    assert all(end - start >= shortest for start, end in runs(drop_short(mask, shortest)))
    inner = runs(~fill_gaps(mask, shortest))
    assert all(end - start >= shortest for start, end in inner if start > 0 and end < len(mask))


def test_speech_that_only_the_network_hears_counts_near_speech_the_detector_hears_and_nowhere_else() -> None:
    detector = series(2000, (100, 150, 0.9))
    network = series(2000, (90, 250, 0.9), (1500, 1700, 0.9))
    score = speech_score(detector, network, 0.5)
    assert runs(speech_frames(score, 0.5, 0.0, 0.3)).tolist() == [[90, 250]]
    assert score[200] == np.float32(0.9) and score[1600] == 0


def test_the_score_is_what_decides() -> None:
    detector = series(2000, (100, 150, 0.9), (400, 500, 0.4))
    network = series(2000, (120, 250, 0.7), (450, 500, 0.3))
    score = speech_score(detector, network, 0.5)
    assert [round(float(score[frame]), 3) for frame in (110, 140, 200, 420, 470)] == [0.9, 0.9, 0.7, 0.4, 0.4]
    assert speech_score(detector, None, 0.5) is detector


def test_without_the_network_speech_goes_on_until_it_is_clearly_over() -> None:
    detector = series(500, (100, 150, 0.9), (150, 200, 0.4), (200, 250, 0.2), (300, 350, 0.4))
    assert runs(speech_frames(detector, 0.5, HYSTERESIS, 0.3)).tolist() == [[100, 200]]


def test_short_noises_are_no_speech() -> None:
    detector = series(500, (100, 120, 0.9), (200, 240, 0.9))
    assert runs(speech_frames(detector, 0.5, HYSTERESIS, 0.3)).tolist() == [[200, 240]]


def test_a_quiet_sound_is_raised_and_a_loud_one_left_alone() -> None:
    assert abs(raising_gain(0.003**2) * 0.003 - 10 ** (-23 / 20)) < 1e-3
    assert abs(raising_gain(1e-12) - 10**1.5) < 1e-6
    assert abs(raising_gain(0.0) - 10**1.5) < 1e-6
    assert raising_gain(0.25) == 1


def test_decisions_of_32_ms_are_laid_on_frames_of_10_ms() -> None:
    frames = on_frames([np.array([0.1, 0.2], np.float32), np.array([0.3], np.float32)], 12)
    assert frames.tolist() == np.array([0.1] * 3 + [0.2] * 3 + [0.3] * 6, np.float32).tolist()
    tenths = on_frames([np.arange(10, dtype=np.float32)], 4, rate=10)
    assert tenths.tolist() == [1, 4, 7, 9]
    assert on_frames([], 3).tolist() == [0, 0, 0]
