"""Laying what the network heard in each chunk on the whole sound."""

from __future__ import annotations

import numpy as np

from workflow_scripts.step4.contacts import contacts_of
from workflow_scripts.step4.local_speakers import (
    CHUNK_FRAMES,
    NO_VOICE,
    STEP_FRAMES,
    LocalSpeech,
    leading_voice,
    local_speech,
    packed,
    unpacked,
    voices,
)
from workflow_scripts.step4.windows import NO_SPEECH, windows_of


def heard(truth: np.ndarray, orders: np.random.Generator) -> LocalSpeech:
    """Chunks over a truth `(frames, people)` whose people sit at random outputs of every chunk."""
    chunks = max(1, -(-(len(truth) - CHUNK_FRAMES) // STEP_FRAMES) + 1)
    padded = np.pad(truth, ((0, chunks * STEP_FRAMES + CHUNK_FRAMES), (0, 3 - truth.shape[1])))
    active = np.stack(
        [padded[c * STEP_FRAMES : c * STEP_FRAMES + CHUNK_FRAMES][:, orders.permutation(3)] for c in range(chunks)]
    )
    return LocalSpeech(packed(active), truth.max(axis=1).astype(np.float32), truth.sum(axis=1).astype(np.float32))


def dialogue() -> np.ndarray:
    truth = np.zeros((2000, 2), bool)
    for start, end, who in (
        (0, 300, 0),
        (300, 500, 1),
        (450, 800, 0),
        (850, 1200, 1),
        (1210, 1900, 0),
        (1600, 2000, 1),
    ):
        truth[start:end, who] = True
    return truth


def test_activity_comes_out_of_its_bits_as_it_went_in() -> None:
    active = np.random.default_rng(0).random((4, 500, 3)) < 0.5
    assert packed(active).shape == (4, 500) and np.array_equal(unpacked(packed(active)), active)


def test_a_voice_keeps_its_name_although_its_output_changes_from_chunk_to_chunk() -> None:
    truth = dialogue()
    local = heard(truth, np.random.default_rng(3))
    leading = leading_voice(local, voices(local))
    alone = truth.sum(axis=1) == 1
    named = {(bool(truth[frame, 1]), int(leading[frame])) for frame in np.nonzero(alone)[0]}
    assert len({who for who, _ in named}) == len(named) == len({voice for _, voice in named}) == 2


def test_a_voice_ends_with_a_long_pause() -> None:
    truth = np.zeros((3000, 1), bool)
    truth[100:400] = truth[1500:1900] = True
    local = heard(truth, np.random.default_rng(0))
    leading = leading_voice(local, voices(local))
    assert leading[200] != leading[1700]
    assert (leading[500:1400] == NO_VOICE).all()


def test_nobody_is_active_outside_speech() -> None:
    truth = dialogue()
    local = heard(truth, np.random.default_rng(1))
    speech = np.zeros(len(truth), bool)
    speech[100:600] = True
    inside = local.within(speech)
    assert set(np.nonzero(inside.count)[0]) <= set(range(100, 600))
    assert 0 < inside.active(0, len(inside)).sum() < local.active(0, len(local)).sum()
    leading = leading_voice(inside, voices(inside))
    assert (leading[:100] == NO_VOICE).all() and (leading[600:] == NO_VOICE).all()


def test_probabilities_of_the_network_land_at_their_time() -> None:
    probabilities = np.zeros((2, 293, 3), np.float32)
    probabilities[0, 100:150, 0] = 1.0  # frames of 16.875 ms, the first centred on 31 ms: 1.72 to 2.55 s
    probabilities[1, 70:120, 1] = 1.0
    local = local_speech(iter([probabilities[:1], probabilities[1:]]), 2, 600)
    both = np.nonzero(local.score > 0.9)[0] / 100
    assert abs(both[0] - 1.71) < 0.02 and abs(both[-1] - 2.53) < 0.02
    assert local.count.max() == 1


def test_two_people_of_one_chunk_meet_and_the_network_separates_them() -> None:
    truth = dialogue()
    local = heard(truth, np.random.default_rng(2))
    windows = windows_of(np.where(truth.sum(axis=1) == 1, truth[:, 1].astype(np.int64), NO_SPEECH))
    labels = truth[(windows.start + windows.end) // 2, 1].astype(np.int64)
    met, separate = contacts_of(windows, local).meetings(labels)
    assert met[0, 1] == separate[0, 1] > 5
    assert separate[0, 0] == separate[1, 1] == 0
