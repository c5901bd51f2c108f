"""Finding out how many speakers there are, on made-up voices: directions with a spread like the encoder's."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from workflow_scripts.step4.clustering import MOST_WINDOWS, cluster
from workflow_scripts.step4.engine import SpeakerCount
from workflow_scripts.step4.windows import Windows

ANY = SpeakerCount()


def conversation(
    people: int, stretches: int, seed: int = 0, windows_each: int = 4
) -> tuple[np.ndarray, Windows, np.ndarray]:
    """Unit vectors (about 0.75 alike in one voice, 0.45 in two), their windows, and who speaks."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=256)
    voices = 0.9 * shared + rng.normal(size=(people, 256)) * 0.8
    who = np.repeat(np.arange(stretches) % people, windows_each)
    vectors = voices[who] + rng.normal(size=(len(who), 256)) * 0.7
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = np.arange(len(who))
    start = (index // windows_each) * 400 + (index % windows_each) * 40
    return vectors.astype(np.float32), Windows(start, start + 160, index // windows_each), who


def agree(labels: np.ndarray, who: np.ndarray) -> bool:
    pairs = set(zip(labels.tolist(), who.tolist(), strict=True))
    return len(pairs) == len(set(labels.tolist())) == len(set(who.tolist()))


@pytest.mark.parametrize("people", [1, 2, 3, 4, 6])
def test_the_number_of_voices_and_who_is_who_come_out_right(people: int) -> None:
    vectors, windows, who = conversation(people, 4 * people)
    assert agree(cluster(vectors, windows, None, ANY), who)


@pytest.mark.parametrize("wanted", [1, 2, 3, 5])
def test_a_number_that_is_given_is_kept(wanted: int) -> None:
    vectors, windows, _ = conversation(3, 12)
    labels = cluster(vectors, windows, None, SpeakerCount(exact=wanted))
    assert set(labels.tolist()) == set(range(wanted))


def test_limits_are_kept() -> None:
    vectors, windows, _ = conversation(3, 12)
    assert len(set(cluster(vectors, windows, None, SpeakerCount(minimum=4)).tolist())) == 4
    assert len(set(cluster(vectors, windows, None, SpeakerCount(maximum=2)).tolist())) == 2
    assert len(set(cluster(vectors, windows, None, SpeakerCount(minimum=2, maximum=5)).tolist())) == 3


def test_fewer_windows_than_speakers_and_no_windows_at_all() -> None:
    vectors, windows, _ = conversation(2, 2, windows_each=1)
    assert len(cluster(vectors, windows, None, SpeakerCount(exact=5))) == 2
    none = np.zeros(0, np.int64)
    assert len(cluster(np.zeros((0, 256), np.float32), Windows(none, none, none), None, ANY)) == 0


def test_hours_of_windows_are_clustered_within_bounded_memory() -> None:
    vectors, windows, who = conversation(3, 6000)
    assert len(windows) == 24000 > 10 * MOST_WINDOWS
    tracemalloc.start()
    labels = cluster(vectors, windows, None, ANY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert agree(labels, who)
    assert peak < 700e6  # all pairs would take 4.6 GB


def test_one_endless_stretch_is_thinned_too() -> None:
    vectors, windows, _ = conversation(1, 1, windows_each=3 * MOST_WINDOWS)
    assert set(cluster(vectors, windows, None, ANY).tolist()) == {0}
