"""What the pipeline made of videos whose cuts are known, on the clock of the converted video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.bench.corpus import FileResult, results
from services.bench.shot_accuracy import Counts
from services.bench.shot_truth import CutTruth
from services.sample import SampleShot, SampleVideo, render
from services.status import StepStatus, VideoStatus
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.projects import Video
from workflow_scripts.common.timeline import Shot


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two seconds at 50 frames a second, as it was before STEP2."""
    path = tmp_path / "source.mkv"
    render(SampleVideo("source", Fraction(50), (SampleShot(100, "hills"),), None), path)
    return path


@pytest.fixture
def found(make_converted: Any) -> Video:
    """The converted video with boundaries at its frames 20 and 30."""
    video: Video = make_converted("Corpus", "x.mp4", frames=50)
    shots = (Shot(0, 20), Shot(20, 30), Shot(30, 50))
    write_scenes(video.delivered(".csv"), shots, FrameClock(Fraction(25), 50))
    return video


def result(source: Path, video: Video, state: Any, truths: dict[str, CutTruth]) -> FileResult:
    status = VideoStatus(video, {"STEP3": StepStatus(state)})
    (row,) = results({video.stem: source}, [status], truths)
    return row


def test_truth_in_frames_of_the_source_is_compared_in_frames_of_the_converted_video(
    source: Path, found: Video
) -> None:
    truth = CutTruth(hard=(40,), gradual=((80, 90),))
    assert result(source, found, "succeeded", {source.name: truth}).cuts == Counts(1, 1, 1, 0, false=1)
    excused = CutTruth(hard=(40,), excused=(60,))
    assert result(source, found, "degraded", {source.name: excused}).cuts == Counts(1, 1)


def test_cuts_are_counted_only_where_they_are_known_and_were_looked_for(source: Path, found: Video) -> None:
    assert result(source, found, "succeeded", {}).cuts is None
    assert result(source, found, "failed", {source.name: CutTruth()}).cuts is None


def test_a_video_that_is_not_in_the_project_is_missing(source: Path) -> None:
    (row,) = results({"x": source}, [], {source.name: CutTruth()})
    assert (row.state, row.cuts) == ("missing", None)
