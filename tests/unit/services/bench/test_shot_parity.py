"""STEP3's network against the package's, for real on a few frames; and the frames that are taken."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.shots.package_rule import peaks
from benchmarks.shots.pictures import made_up_pictures, pictures_in, pictures_of
from services.bench import shot_parity
from services.bench.shot_parity import Parity, measure_parity
from services.environments import state
from services.sample import SampleShot, SampleVideo, render
from workflow_scripts.common.errors import ToolError, UsageError


def test_the_package_cuts_after_the_peak_of_each_run_above_a_half() -> None:
    scores = np.array([0.6, 0.1, 0.4, 0.6, 0.9, 0.7, 0.5, 0.8, 0.0, 0.9], np.float32)
    assert peaks(scores) == [1, 5, 8]  # nothing after the last frame
    assert peaks(np.zeros(3, np.float32)) == []


def test_frames_come_from_all_videos_and_again_when_they_run_out(tmp_path: Path) -> None:
    for name, frames in (("b.mp4", 10), ("a.mkv", 15)):
        render(SampleVideo(name, Fraction(25), (SampleShot(frames, "hills"),), None), tmp_path / name)
    (tmp_path / "aa.mp4").write_bytes(b"no video")
    both = np.concatenate([pictures_of(tmp_path / "a.mkv"), pictures_of(tmp_path / "b.mp4")])
    assert both.shape == (25, 27, 48, 3)
    assert np.array_equal(pictures_in(tmp_path, 20), both[:20])
    assert np.array_equal(pictures_in(tmp_path, 60), np.concatenate([both, both, both[:10]]))


def test_a_folder_where_nothing_can_be_decoded_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ToolError, match="no video here can be decoded"):
        pictures_in(tmp_path, 1)
    with pytest.raises(UsageError, match="no videos here"):
        measure_parity(tmp_path / "elsewhere", (), lambda line: None)


def test_made_up_pictures_move_and_are_always_the_same() -> None:
    frames = made_up_pictures(200)
    assert frames.shape == (200, 27, 48, 3) and frames.dtype == np.uint8
    assert np.array_equal(frames[:70], made_up_pictures(70))
    assert (np.abs(np.diff(frames.astype(int), axis=0)).mean((1, 2, 3)) > 0.1).all()


def test_transitions_are_compared_with_those_in_fp32_of_as_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def said(frames: int, backend: str, transitions: list[int] | None, cuts: list[int]) -> dict[str, Any]:
        fixed = {"single": 0.1, "many": 0.2, "package": [5]}
        return {"frames": frames, "backend": backend, "transitions": transitions, "cuts": cuts, **fixed}

    results = [
        said(9, "float32", [5], [5]),
        said(9, "other", [5, 7], []),
        said(9, "unchecked", None, [5]),
        said(8, "float32", [], [5]),
        said(8, "other", [], [5]),
    ]
    monkeypatch.setattr(shot_parity, "results_of", lambda command, failed: iter(results))
    assert measure_parity(None, (), lambda line: None) == [
        Parity(9, "float32", 0.1, 0.2, 1, True, True),
        Parity(9, "other", 0.1, 0.2, 1, False, False),
        Parity(9, "unchecked", 0.1, 0.2, 1, True, None),
        Parity(8, "float32", 0.1, 0.2, 1, True, True),
        Parity(8, "other", 0.1, 0.2, 1, True, True),
    ]


@pytest.mark.skipif(not state("transnet_env").ready, reason="transnet_env is not made")
def test_the_network_says_what_the_package_says() -> None:
    shown: list[str] = []
    rows = measure_parity(None, (51,), shown.append)
    assert [row.backend for row in rows] == ["float32", "direct", "bfloat16", "bfloat16, not checked"]
    assert shown == [f"51 frames: {row.backend}" for row in rows]
    for row in rows:
        bound = 1e-5 if row.backend in ("float32", "direct") else 0.05
        assert max(row.single, row.many) < bound
        assert row.same_cuts and row.same_transitions is not False
