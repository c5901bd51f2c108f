"""`scripts/workflow export`: which videos, where to, what is kept, and what is said where something is missing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import opentimelineio
import pytest
from click.testing import CliRunner, Result

from cli.workflow import main
from services.exports import FORMATS, Exported, export_videos, shots_of
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.artifacts.transitions import NAME as TRANSITIONS
from workflow_scripts.common.artifacts.transitions import write_transitions
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import BlockedError
from workflow_scripts.common.manifest import FileRecord
from workflow_scripts.common.media_info import AudioStream, read_media, write_media
from workflow_scripts.common.projects import Video
from workflow_scripts.common.timeline import Shot, Transition

NAME = "L’été “à” la <plage> & l'🎬 .mp4"
ALL = sorted(f"L’été “à” la <plage> & l'🎬 {form.suffix}" for form in FORMATS.values())


def export(*arguments: str | Path) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


@pytest.fixture
def make_cut(make_converted: Any, finish: Any) -> Any:
    """`make_cut(project, name, cuts=(20,))`: a video of 50 frames as STEP3 leaves it."""

    def make(project: str, name: str, cuts: tuple[int, ...] = (20,)) -> Video:
        video: Video = make_converted(project, name)
        write_shots(video, cuts)
        finish_step3(video, finish)
        return video

    return make


CLOCK = FrameClock(Fraction(25), 50)


def write_shots(video: Video, cuts: tuple[int, ...]) -> None:
    shots = [Shot(start, end) for start, end in pairwise([0, *cuts, 50])]
    write_scenes(video.delivered(".csv"), shots, CLOCK)
    write_transitions(
        video.workflow / TRANSITIONS, [Transition("hard", cut, cut - 1, cut, 0.9) for cut in cuts], {}, CLOCK
    )


def finish_step3(video: Video, finish: Any, **fields: object) -> None:
    inputs = {"video": FileRecord.of(video.path, video.root)}
    outputs = {"scenes": video.delivered(".csv"), "transitions": video.workflow / TRANSITIONS}
    finish(video, "STEP3", outputs, inputs=inputs, **fields)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_format_is_written_into_the_project_and_docs_stay_as_they_are(make_cut: Any) -> None:
    video = make_cut("A", NAME)
    before = {path: path.read_bytes() for path in video.project.docs.iterdir()}
    result = export()
    assert result.exit_code == 0, result.output
    assert names_in(video.root / "exports") == ALL
    assert {path: path.read_bytes() for path in video.project.docs.iterdir()} == before
    *paths, last = result.stdout.splitlines()
    assert sorted(paths) == [str(video.root / "exports" / name) for name in ALL]
    assert last == "1 of 1 videos exported."
    timeline = opentimelineio.adapters.read_from_file(str(video.root / "exports" / f"{video.stem}.otio"))
    assert [clip.source_range.duration.value for clip in timeline.find_clips()] == [20, 30]
    assert timeline.tracks[0][0].media_reference.target_url == video.path.as_uri()


def test_formats_videos_and_the_folder_can_be_chosen(make_cut: Any, tmp_path: Path) -> None:
    video, other = make_cut("A", "-x.mp4"), make_cut("A", "y.mp4")
    result = export(video.path, "--format", "otio", "--format", "edl", "--format", "otio", "--to", tmp_path / "new")
    assert result.exit_code == 0, result.output
    assert names_in(tmp_path / "new") == ["-x.edl", "-x.otio"]
    assert not (other.root / "exports").exists()


def test_a_target_is_a_project_by_name_or_a_video_before_its_conversion(make_cut: Any) -> None:
    video, other = make_cut("A", "x.mp4"), make_cut("B", "x.mp4")
    (video.project.docs / "x.mov").write_bytes(b"what STEP2 has converted")
    result = export("A", "--format", "csv")
    assert result.stdout.splitlines()[-1] == "1 of 1 videos exported."
    assert names_in(video.root / "exports") == ["x.shots.csv"] and not (other.root / "exports").exists()


def test_a_second_export_changes_nothing(make_cut: Any) -> None:
    video = make_cut("A", "x.mp4")
    export()
    before = {path: path.stat().st_mtime_ns for path in (video.root / "exports").iterdir()}
    result = export()
    assert result.exit_code == 0 and result.stdout.count(" (unchanged)\n") == len(FORMATS)
    assert {path: path.stat().st_mtime_ns for path in (video.root / "exports").iterdir()} == before


def test_what_lay_there_is_kept_when_the_shots_have_changed(make_cut: Any, finish: Any) -> None:
    video = make_cut("A", "x.mp4")
    export("--format", "edl")
    written = video.root / "exports" / "x.edl"
    for edit, cuts in ((b"edited by hand", (30,)), (b"and again", (40,))):
        written.write_bytes(edit)
        write_shots(video, cuts)
        finish_step3(video, finish)
        result = export("--format", "edl")
        assert result.exit_code == 0 and "it is kept as replaced/x" in result.stderr
        assert b"00:00:01" in written.read_bytes()
    kept = video.root / "exports" / "replaced"
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
        "x.edl": b"edited by hand",
        "x (2).edl": b"and again",
    }


@pytest.mark.parametrize("state", ["succeeded", "degraded"])
def test_a_degraded_result_is_exported_too(make_cut: Any, finish: Any, state: str) -> None:
    finish_step3(make_cut("A", "x.mp4"), finish, state=state)
    assert export("--format", "csv").exit_code == 0


def test_a_video_without_a_finished_step3_is_one_sentence_and_the_others_are_exported(
    make_cut: Any, make_converted: Any
) -> None:
    make_converted("A", "a.mp4")
    video, changed, edited = make_cut("A", "b.mp4"), make_cut("A", "c.mp4"), make_cut("A", "d.mp4")
    changed.path.write_bytes(b"another picture")
    edited.delivered(".csv").write_bytes(b"edited")
    result = export("A", "--format", "edl")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "a.mp4: STEP3 has not finished for this video. Run STEP3 first.",
        "c.mp4: STEP3 has not finished for this video (input changed: video). Run STEP3 first.",
        "d.mp4: STEP3 has not finished for this video (output missing or changed: scenes). Run STEP3 first.",
    ]
    assert result.stdout.splitlines() == [str(video.root / "exports" / "b.edl"), "1 of 4 videos exported."]


def test_what_one_format_cannot_say_stops_no_other(make_cut: Any) -> None:
    video = make_cut("A", "x.mp4")
    media = video.workflow / "media.json"
    write_media(media, replace(read_media(media), fps=Fraction(24000, 1001)))
    result = export()
    assert result.exit_code == 1
    (sentence,) = result.stderr.splitlines()
    assert sentence.startswith("x.mp4: an EDL counts 1 to 99 whole frames a second")
    assert len(names_in(video.root / "exports")) == len(FORMATS) - 1


def test_shots_that_do_not_fit_the_measured_video_are_refused(make_cut: Any) -> None:
    video = make_cut("A", "x.mp4")
    media = video.workflow / "media.json"
    write_media(media, replace(read_media(media), frames=51))
    result = export()
    assert result.exit_code == 1 and not (video.root / "exports").exists()
    assert result.stderr == (
        "x.mp4: its shots end at frame 50, STEP2 measured 51. Run STEP3 again for this video.\n"
    )


def test_a_folder_that_cannot_be_written_is_a_sentence(make_cut: Any) -> None:
    video = make_cut("A", "x.mp4")
    (video.root / "exports").write_text("a file of this name")
    result = export("--format", "edl")
    assert result.exit_code == 1 and result.stderr.startswith(
        f"{video.root / 'exports' / 'x.edl'}: cannot be written"
    )


def test_two_videos_that_would_be_one_file_are_refused_before_anything_is_written(
    make_cut: Any, tmp_path: Path
) -> None:
    make_cut("A", "x.mp4"), make_cut("B", "x.mp4")
    result = export("--to", tmp_path / "both")
    assert result.exit_code == 2 and not (tmp_path / "both").exists()
    assert "x.mp4 of B and of A would be one file in" in result.stderr
    assert export().exit_code == 0


@pytest.mark.parametrize("arguments", [["nothing"], ["--format", "aaf"], ["--nonsense"]])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    assert export(*arguments).exit_code == 2


def test_without_a_video_there_is_nothing_to_do() -> None:
    result = export()
    assert (result.exit_code, result.output) == (0, "There is no video to export yet.\n")


def test_the_help_names_every_format() -> None:
    result = export("--help")
    assert result.exit_code == 0 and all(name in result.output for name in FORMATS)


def test_sound_size_and_the_transitions_reach_the_formats(make_cut: Any, finish: Any) -> None:
    video = make_cut("A", "x.mp4")
    media = video.workflow / "media.json"
    track = AudioStream(1, "aac", 44100, 2, Fraction(0), Fraction(2), True, "und", "", 0)
    silent = replace(track, index=0, duration=Fraction(0))
    write_media(media, replace(read_media(media), audio=(silent, track)))
    found = Transition("gradual", 20, 15, 25, 0.7)
    write_transitions(video.workflow / TRANSITIONS, [found], {"single": [0.0] * 50}, CLOCK)
    finish_step3(video, finish)
    shots = shots_of(video)
    assert (shots.sound and shots.sound.rate, shots.width, shots.height) == (44100, 640, 360)
    assert shots.transitions == (found,)
    ((_, files),) = export_videos([video], [FORMATS["csv"]])
    assert files == [Exported(video.root / "exports" / "x.shots.csv", written=True)]
    assert (video.root / "exports" / "x.shots.csv").read_text().endswith("gradual\n")


def test_transitions_that_cannot_be_read_are_one_sentence(make_cut: Any, finish: Any) -> None:
    video = make_cut("A", "x.mp4")
    (video.workflow / TRANSITIONS).write_text("{}")
    finish_step3(video, finish)
    result = export("--format", "csv")
    assert result.exit_code == 1
    assert result.stderr == "shots.json: holds no list of transitions.\n"


def test_the_shots_of_an_unfinished_video_are_not_given(make_converted: Any) -> None:
    with pytest.raises(BlockedError):
        shots_of(make_converted("A", "x.mp4"))
