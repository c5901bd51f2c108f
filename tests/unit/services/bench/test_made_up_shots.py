"""Made-up sequences: that their transitions are where they are said to be, and how what is found is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.shots.clean_shots import CleanShot, clean_shots
from benchmarks.shots.made_up import MadeUp, fast_sequences, slow_sequences
from benchmarks.shots.made_up_motion import uncut_sequences
from benchmarks.shots.pictures import Frames, pictures_of
from services.bench import made_up_shots
from services.bench.made_up_shots import MadeUpResult, measure_made_up
from services.bench.shot_accuracy import Counts
from services.bench.shot_truth import CutTruth
from services.sample import SampleShot, SampleVideo, render
from workflow_scripts.common.errors import UsageError

#: Every shot has a colour of its own, far from the others' and from black.
COLOURS = [(40, 40, 40), (90, 90, 90), (140, 140, 140), (190, 190, 190), (240, 240, 240)]
#: Lengths of the shots of the fast sequences.
RANGES = ((3, 4), (5, 7), (8, 11), (12, 16))


def plain_shot(colour: tuple[int, int, int], frames: int = 120) -> CleanShot:
    """A shot of one colour that flickers by one step, so that it counts as moving."""
    flicker = np.arange(frames)[:, None, None, None] % 2
    return CleanShot(f"{colour}.mp4", (np.full((frames, 27, 48, 3), colour) + flicker).astype(np.uint8))


@pytest.fixture
def shots() -> list[CleanShot]:
    return [plain_shot(colour) for colour in COLOURS]


def colours(frames: Frames) -> list[int | None]:
    """Which shot each frame shows unmixed; None for a frame that is of none."""
    levels = [colour[0] for colour in COLOURS]
    means = frames.mean((1, 2, 3))
    return [next((level for level in levels if level <= mean <= level + 1), None) for mean in means]


def test_clean_shots_hold_nothing_that_is_or_may_be_a_transition(tmp_path: Path) -> None:
    shown = (SampleShot(40, "hills"), SampleShot(10, "discs"), SampleShot(90, "clouds"))
    render(SampleVideo("a", Fraction(25), shown, None), tmp_path / "a.mp4")
    truth = CutTruth(hard=(40, 50), gradual=((80, 90),), excused=(125,))
    first, second, third = clean_shots(tmp_path, {"a.mp4": truth})
    frames = pictures_of(tmp_path / "a.mp4")
    # One frame beside a cut and twelve beside a gradual transition are left out; [126, 140) is too short.
    expected = ((first, 0, 39), (second, 51, 68), (third, 103, 124))
    assert all(np.array_equal(shot.frames, frames[start:end]) for shot, start, end in expected)
    assert {shot.video for shot in (first, second, third)} == {"a.mp4"}


def test_fast_sequences_are_cut_where_they_say(shots: list[CleanShot]) -> None:
    made = list(fast_sequences(shots))
    assert [one.group for one in made] == [f"cuts, shots of {a}-{b} frames" for a, b in RANGES]
    for one, (low, high) in zip(made, RANGES, strict=True):
        seen = colours(one.frames)
        assert [index for index in range(1, len(seen)) if seen[index] != seen[index - 1]] == list(one.hard)
        lengths = np.diff([0, *one.hard, len(seen)])
        assert len(one.hard) == 64
        assert lengths.min() >= low and lengths.max() <= high


def test_slow_sequences_are_mixed_where_they_say(shots: list[CleanShot]) -> None:
    made = list(slow_sequences(shots))
    assert len(made) == 6
    for one in made:
        seen = colours(one.frames)
        edges = [-1, *(index for span in one.gradual for index in span), len(seen)]
        unmixed = [set(seen[last + 1 : first]) for last, first in zip(edges[::2], edges[1::2], strict=True)]
        assert len(one.gradual) == 16
        assert all(len(colour) == 1 and None not in colour for colour in unmixed)
        assert all(before != after for before, after in pairwise(unmixed))


def test_fades_reach_black_and_dissolves_do_not(shots: list[CleanShot]) -> None:
    for one in slow_sequences(shots):
        light = one.frames.mean((1, 2, 3))
        darkest = [light[first : last + 1].min() for first, last in one.gradual]
        if one.group.startswith("dissolves"):
            assert min(darkest) > 35
        elif one.group.startswith("fades through black"):
            assert max(darkest) == 0
        else:
            assert all(light[last] < 0.2 * light[first] and light[last + 1] > 35 for first, last in one.gradual)


def test_uncut_sequences_have_no_transition_and_events_happen_in_their_middle(shots: list[CleanShot]) -> None:
    made = list(uncut_sequences(shots[2:3]))
    assert not any(one.hard or one.gradual for one in made)
    by_group = {one.group: one.frames.astype(int) for one in made}
    assert len(made) == len(by_group) == 12
    plain = by_group["motion, 1x"]
    assert np.array_equal(plain, shots[2].frames[:50])
    flash = by_group["flash of 3 frames"].mean((1, 2, 3))
    assert np.flatnonzero(flash > 200).tolist() == [20, 21, 22]
    for group, happens in by_group.items():
        if not group.startswith(("motion", "pictures")):
            assert np.array_equal(happens[:20], plain[:20]), group


def test_held_pictures_are_shown_again_but_for_the_noise_of_coding() -> None:
    ramp = np.broadcast_to(np.arange(0, 240, 2)[:, None, None, None], (120, 27, 48, 3))
    made = uncut_sequences([CleanShot("a.mp4", ramp.astype(np.uint8))])
    held = next(one.frames for one in made if one.group == "pictures held 3 frames")
    means = held.mean((1, 2, 3)).round()
    assert means[:9].tolist() == [0, 0, 0, 6, 6, 6, 12, 12, 12]


@pytest.mark.parametrize("make", [fast_sequences, slow_sequences, uncut_sequences])
def test_the_same_shots_make_the_same_sequences(make: Any, shots: list[CleanShot]) -> None:
    def told(made: Iterator[MadeUp]) -> list[tuple[Any, ...]]:
        return [(one.group, one.frames.tobytes(), one.hard, one.gradual) for one in made]

    assert told(make(shots)) == told(make(shots))


def test_shots_that_cannot_be_told_apart_are_not_joined() -> None:
    alike = [plain_shot((100, 100, 100)), plain_shot((105, 105, 105))]
    assert [one.hard for one in fast_sequences(alike)] == [()] * 4
    assert [one.gradual for one in slow_sequences(alike)] == [()] * 6


def test_videos_without_a_fit_shot_are_told() -> None:
    with pytest.raises(ValueError, match="no shot of the videos is fit for"):
        list(fast_sequences([]))


def said(group: str, found: Sequence[int], package: Sequence[int], **truth: Any) -> dict[str, Any]:
    nothing = {"frames": 100, "hard": [], "gradual": []}
    return {"group": group, "found": found, "package": package, **nothing, **truth}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "truth.json").write_text(json.dumps({"cuts": {"a.mp4": {"hard": [], "gradual": []}}}))
    return tmp_path


def test_cuts_are_judged_to_the_frame_and_fades_within_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = [
        said("cuts", [10, 21], [10], hard=[10, 20]),
        said("fades", [18], [17, 30], gradual=[[20, 29]]),
        said("motion", [], [5]),
        said("motion", [7, 8], []),
    ]
    monkeypatch.setattr(made_up_shots, "results_of", lambda command, failed: iter(results))
    shown: list[str] = []
    assert measure_made_up(folder, shown.append) == [
        MadeUpResult("cuts", 100, Counts(2, 1, false=1), Counts(2, 1)),
        MadeUpResult("fades", 100, Counts(gradual=1, gradual_found=1), Counts(gradual=1, gradual_found=1, false=1)),
        MadeUpResult("motion", 200, Counts(false=2), Counts(false=1)),
    ]
    assert shown == ["cuts", "fades", "motion"]


def test_without_truth_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"truth\.json: cannot be read"):
        measure_made_up(tmp_path, lambda line: None)
