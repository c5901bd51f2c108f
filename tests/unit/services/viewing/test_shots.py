"""Shots and their scores for a viewer."""

from __future__ import annotations

from typing import Any

import pytest

from services.projects import UnknownName
from services.viewing.shots import ShotView, scores, shots
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.projects import Video
from workflow_scripts.common.timeline import Shot


def test_shots_come_with_the_transitions_that_begin_them(get: Any, write: Any) -> None:
    write.shots(20, 40)
    assert shots(get("shots")) == [
        ShotView(0, 20),
        ShotView(20, 40, "gradual", 0.5, 15, 24),
        ShotView(40, 50, "hard", 0.9, 39, 40),
    ]


def test_what_the_delivered_file_says_now_counts(get: Any, write: Any, video: Video) -> None:
    write.shots(20, 40)
    assert len(shots(get("shots"))) == 3
    write_scenes(video.delivered(".csv"), [Shot(0, 21), Shot(21, 40), Shot(40, 50)], FrameClock(25, 50))  # type: ignore[arg-type]
    assert [(one.start, one.kind) for one in shots(get("shots"))] == [(0, None), (21, None), (40, "hard")]


def test_without_the_delivered_file_the_transitions_tell_the_shots(get: Any, write: Any, video: Video) -> None:
    write.shots(20, 40)
    video.delivered(".csv").unlink()
    assert [(one.start, one.end) for one in shots(get("shots"))] == [(0, 20), (20, 40), (40, 50)]


def test_without_transitions_there_are_shots_and_no_scores(get: Any, write: Any, video: Video) -> None:
    write.shots(20)
    (video.workflow / "shots.json").unlink()
    index = get("shots")
    assert shots(index) == [ShotView(0, 20), ShotView(20, 50)]
    assert scores(index, 0, 50, 10).single == []


def test_no_peak_is_lost_at_any_zoom(get: Any, write: Any) -> None:
    write.shots(20, 40)
    index = get("shots")
    for points in (1, 3, 7, 50, 500):
        found = scores(index, 0, 10**9, points)
        assert (found.start, found.end) == (0, 50) and len(found.single) <= points
        peaks = {place * found.step for place, value in enumerate(found.single) if value == 0.9}
        assert peaks == {19 // found.step * found.step, 39 // found.step * found.step}
        assert set(found.many) == {0.2}


def test_groups_of_frames_stay_the_same_while_the_range_moves(get: Any, write: Any) -> None:
    write.shots(20, 40)
    index = get("shots")
    first, second = scores(index, 10, 40, 10), scores(index, 11, 41, 10)
    assert (first.start, first.step, second.start, second.step) == (9, 3, 9, 3)
    assert first.single[:10] == second.single[:10]
    assert scores(index, 100, 200, 10).single == []


def test_a_video_without_shots_and_a_file_that_holds_none_are_told_apart(get: Any, video: Video) -> None:
    with pytest.raises(UnknownName, match="no shots yet"):
        get("shots")
    video.delivered(".csv").write_text("t;scene\n")
    for _ in range(2):
        with pytest.raises(WorkflowError, match="is no scenes file"):
            get("shots")
