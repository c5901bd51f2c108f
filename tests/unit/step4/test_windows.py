"""Cutting speech into windows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.step4.windows import NO_SPEECH, SHORTEST_FRAMES, SPEECH_MEL_POWER, MelWindows, windows_of

voice_series = st.lists(st.tuples(st.integers(1, 400), st.sampled_from([NO_SPEECH, -1, 0, 1])), max_size=8).map(
    lambda parts: np.concatenate([np.zeros(0, np.int64), *(np.full(n, v, np.int64) for n, v in parts)])
)


def cut(mel: np.ndarray, voice: np.ndarray) -> list[np.ndarray]:
    windows = MelWindows(mel, windows_of(voice))
    return [windows[index] for index in range(len(windows))]


@given(voice_series)
def test_windows_lie_inside_one_stretch_and_leave_nothing_out(voice: np.ndarray) -> None:
    windows = windows_of(voice)
    covered = np.zeros(len(voice), bool)
    for start, end in zip(windows.start, windows.end, strict=True):
        assert len(set(voice[start:end])) == 1 and voice[start] != NO_SPEECH
        assert SHORTEST_FRAMES <= end - start <= 160
        covered[start:end] = True
    edges = (
        np.concatenate([[0], np.nonzero(np.diff(voice))[0] + 1, [len(voice)]]) if len(voice) else np.zeros(1, int)
    )
    for start, end in pairwise(edges):
        assert covered[start:end].all() == (voice[start] != NO_SPEECH and end - start >= SHORTEST_FRAMES)


def test_a_short_stretch_is_repeated_until_the_window_is_full() -> None:
    mel = np.random.default_rng(0).random((100, 40), np.float32) + 0.1
    voice = np.full(100, NO_SPEECH, np.int64)
    voice[20:70] = 0
    (piece,) = cut(mel, voice)
    assert piece.shape == (160, 40) and piece.dtype == np.float32
    assert np.array_equal(piece[:50], piece[50:100])


def test_a_stretch_of_minutes_is_brought_to_its_level_like_a_short_one() -> None:
    mel = np.random.default_rng(0).random((10_000, 40), np.float32) * np.linspace(0.1, 4, 10_000)[:, None]
    mel = mel.astype(np.float32)
    windows = MelWindows(mel, windows_of(np.zeros(len(mel), np.int64)))
    assert np.allclose(windows[5], mel[200:360] * (SPEECH_MEL_POWER / mel.mean()), rtol=1e-4)


def test_the_level_of_a_stretch_does_not_change_its_windows() -> None:
    mel = np.random.default_rng(0).random((400, 40), np.float32) + 0.1
    voice = np.array([0] * 200 + [1] * 200)
    louder = mel.copy()
    louder[200:] *= 100
    for one, other in zip(cut(mel, voice), cut(louder, voice), strict=True):
        assert np.allclose(one, other, rtol=1e-5)
