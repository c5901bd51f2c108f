"""Earlier results of a step: kept when they are replaced by others, whatever happens in between."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common import earlier
from workflow_scripts.common.earlier import earlier_results
from workflow_scripts.common.manifest import read_manifest
from workflow_scripts.common.projects import Video
from workflow_scripts.common.run import Outcome, StepRun
from workflow_scripts.common.settings import Parameter, resolve
from workflow_scripts.common.step import Job, Result, VideoStep


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


class Shots(VideoStep):
    """Writes what it is told to where STEP3 writes."""

    key = "STEP3"
    name = "shots"
    version = "1"
    config = "none.json"
    delivers = (".csv",)
    parameters = (Parameter("content", str, "one", "What to write"), Parameter("speed", int, 1, "Nothing"))
    dies_after: str = ""

    def process(self, item: Video, job: Job) -> Result:
        """Write both files, or die in between."""
        table, viewer = item.delivered(".csv"), item.workflow / "shots.json"
        for role, path in (("scenes", table), ("transitions", viewer)):
            if self.dies_after == "nothing":
                raise Killed
            fresh = path.with_name(f"{path.name}.new")
            fresh.write_text(f"{role} {job.params.content}")
            fresh.replace(path)
            if self.dies_after == role:
                raise Killed
        return Result({"scenes": table, "transitions": viewer})


Run = Callable[..., Outcome]


@pytest.fixture
def video(make_converted: Any) -> Video:
    """A video to work on."""
    made: Video = make_converted("Été ", "a .mp4")
    return made


@pytest.fixture
def run(video: Video, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("content", speed=2, dies_after="scenes")`: run the step; every run ends at another moment."""
    moments = iter(range(1000))
    monkeypatch.setattr(
        "workflow_scripts.common.run.utc_now", lambda: f"2026-01-01T00:00:00.{next(moments):03d}+00:00"
    )

    def once(content: str, speed: int = 1, dies_after: str = "") -> Outcome:
        step = Shots()
        step.dies_after = dies_after
        settings = resolve(step.parameters, None, {"content": content, "speed": speed})
        steps = StepRun(step, settings, ("cpu", "cpu"), logging.getLogger("test"))
        return steps.process(steps.plan(video))

    return once


def contents(video: Video) -> list[list[str]]:
    """What is kept of each earlier result, newest first."""
    kept = earlier_results(video.workflow, "STEP3")
    return [[text(one.file(role)) for role in ("scenes", "transitions")] for one in kept]


def text(path: Path | None) -> str:
    """The text in a file, packed or not."""
    assert path is not None
    return gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()


def test_a_result_that_is_replaced_is_kept_whole_with_its_manifest(video: Video, run: Run) -> None:
    run("one")
    before = read_manifest(video.workflow / "STEP3.json")
    assert contents(video) == []
    assert run("two").state == "succeeded"
    assert contents(video) == [["scenes one", "transitions one"]]
    (kept,) = earlier_results(video.workflow, "STEP3")
    assert kept.manifest == before
    assert kept.key.isalnum() and kept.folder == video.workflow / "earlier" / "STEP3" / kept.key
    assert video.delivered(".csv").read_text() == "scenes two"


def test_the_newest_three_are_kept(video: Video, run: Run) -> None:
    for content in ("one", "two", "three", "four", "five"):
        run(content)
    assert [scenes for scenes, _ in contents(video)] == ["scenes four", "scenes three", "scenes two"]
    assert len(list((video.workflow / "earlier" / "STEP3").iterdir())) == 3


def test_nothing_is_kept_of_the_same_result_by_the_same_parameters(video: Video, run: Run) -> None:
    run("one")
    video.delivered(".csv").unlink()
    assert run("one").state == "succeeded"
    assert contents(video) == []


def test_the_same_result_by_other_parameters_is_kept(video: Video, run: Run) -> None:
    run("one", speed=1)
    run("one", speed=2)
    assert contents(video) == [["scenes one", "transitions one"]]


@pytest.mark.parametrize("moment", ["nothing", "scenes", "transitions"])
def test_a_kill_at_any_moment_loses_neither_the_old_result_nor_the_new_one(
    video: Video, run: Run, moment: str
) -> None:
    run("one")
    with pytest.raises(Killed):
        run("two", dies_after=moment)
    assert contents(video) == []  # the old one still stands
    assert run("two").state == "succeeded"
    assert contents(video) == [["scenes one", "transitions one"]]
    assert video.delivered(".csv").read_text() == "scenes two"


def test_a_kill_while_it_is_being_kept_leaves_no_half_of_it(
    video: Video, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("one")
    (abandoned := video.workflow / "earlier" / "STEP3" / ".tmp-host-1-abc").mkdir(parents=True)
    (abandoned / "scenes.csv").write_text("half")
    assert contents(video) == []
    run("two")
    assert contents(video) == [["scenes one", "transitions one"]] and not abandoned.exists()


def test_what_was_edited_by_hand_is_no_result_to_compare_with(video: Video, run: Run) -> None:
    run("one")
    video.delivered(".csv").write_text("edited")
    assert run("two").state == "succeeded"
    assert contents(video) == []
    assert [path.read_text() for path in (video.root / "originals").glob("a .csv")] == ["edited"]


def test_what_is_kept_changes_nothing_of_what_is_to_be_done(video: Video, run: Run) -> None:
    run("one")
    run("two")
    assert run("two").state == "up to date"
    (kept,) = earlier_results(video.workflow, "STEP3")
    (kept.folder / "scenes.csv").unlink()
    assert run("two").state == "up to date"


def test_large_files_are_packed(video: Video, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "PACKED_FROM", 5)
    run("one")
    run("two")
    (kept,) = earlier_results(video.workflow, "STEP3")
    assert sorted(path.name for path in kept.folder.iterdir()) == ["STEP3.json", "scenes.csv.gz", "shots.json.gz"]
    assert contents(video) == [["scenes one", "transitions one"]]


def test_files_are_copied_where_there_are_no_hard_links(
    video: Video, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError("no hard links here")

    run("one")
    monkeypatch.setattr("workflow_scripts.common.earlier.os.link", no_links)
    run("two")
    assert contents(video) == [["scenes one", "transitions one"]]


def test_the_new_result_is_worth_more_than_the_old_one(
    video: Video, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    run("one")
    (video.workflow / "earlier").write_text("a file in the way")
    assert run("two").state == "succeeded"
    assert "its former result could not be kept" in caplog.text


def test_sound_that_was_packed_for_the_reduction_is_kept_as_it_is(video: Video, finish: Any) -> None:
    packed, turns = video.workflow / "audio.raw.json.gz", video.workflow / "turns.json"
    packed.write_bytes(gzip.compress(b"raw"))
    turns.write_text("turns")
    finish(video, "STEP4", {"audio": packed, "turns": turns}, fingerprint={"speakers": 2})
    earlier.hold(video.workflow, video.root, "STEP4")
    (audio := video.delivered("_audio.json")).write_text("raw again")
    finish(video, "STEP4", {"audio": audio, "turns": turns}, finished="2026-02-01T00:00:00.000+00:00")
    earlier.settle(video.workflow, "STEP4")
    (kept,) = earlier_results(video.workflow, "STEP4")
    assert (text(kept.file("audio")), text(kept.file("turns"))) == ("raw", "turns")
