"""Which recordings of a folder have their turns told, and which turns those are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.bench.sound_truth import SoundTruth, load_sound_truths
from workflow_scripts.common.errors import ArtifactError, UsageError
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.timeline import Segment, Turn

MEDIA = ROOT.parent / "shared" / "media"


def line(name: str, start: float, length: float, speaker: str) -> str:
    return f"SPEAKER {name} 1 {start} {length} <NA> <NA> {speaker} <NA> <NA>\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("talk.wav", "talk.MP4", "day_dev00.wav", "day_dev01.flac", "notes.txt", "odd_talk.wav"):
        (tmp_path / name).touch()
    return tmp_path


def by_name(folder: Path) -> dict[str, SoundTruth]:
    return {truth.path.name: truth for truth in load_sound_truths(folder)}


def test_an_rttm_file_tells_of_the_recordings_of_its_name_whatever_it_calls_them(folder: Path) -> None:
    (folder / "talk.rttm").write_text(
        line("x", 2, 1, "b") + "\n;; a remark\nSPKR-INFO x 1\n" + line("x", 0, 1.5, "a")
    )
    truths = by_name(folder)
    assert list(truths) == ["talk.MP4", "talk.wav"]
    assert truths["talk.wav"].turns == (Turn(0, 1.5, "a"), Turn(2, 3, "b"))
    assert (truths["talk.wav"].extent, truths["talk.wav"].speakers) == (None, 2)


def test_an_rttm_file_of_several_recordings_tells_of_the_files_that_end_in_their_names(folder: Path) -> None:
    (folder / "meetings.rttm").write_text(
        line("dev00", 0, 1, "a") + line("dev01", 0, 2, "b") + line("dev02", 0, 3, "c") + line("ev01", 0, 4, "d")
    )
    truths = by_name(folder)
    assert {name: truth.turns for name, truth in truths.items()} == {
        "day_dev00.wav": (Turn(0, 1, "a"),),
        "day_dev01.flac": (Turn(0, 2, "b"),),
    }


def test_what_is_called_alike_but_has_a_recording_of_its_own_is_not_told_of_others(folder: Path) -> None:
    (folder / "talk.rttm").write_text(line("talk", 0, 1, "a") + line("day_dev00", 0, 1, "b"))
    assert list(by_name(folder)) == ["talk.MP4", "talk.wav"]


def test_a_uem_file_says_which_parts_count_and_so_who_speaks_in_them(folder: Path) -> None:
    (folder / "talk.rttm").write_text(line("t", 0, 1, "a") + line("t", 5, 1, "b") + line("t", 8, 1, "c"))
    (folder / "talk.uem").write_text("t 1 4.5 7\n\nt 1 8.5 10\nother 1 0 1\n")
    truth = by_name(folder)["talk.wav"]
    assert truth.extent == (Segment(4.5, 7), Segment(8.5, 10))
    assert truth.speakers == 2


def test_a_folder_without_turns_is_told(folder: Path) -> None:
    (folder / "elsewhere.rttm").write_text(line("nowhere", 0, 1, "a"))
    with pytest.raises(UsageError, match="no recording here has its turns beside it"):
        load_sound_truths(folder)


@pytest.mark.parametrize(
    "garbled", ["SPEAKER x 1 0\n", "SPEAKER x 1 a 1 <NA> <NA> b\n", "SPEAKER x 1 0 -1 . . b\n"]
)
def test_a_garbled_line_is_told_with_its_number(folder: Path, garbled: str) -> None:
    (folder / "talk.rttm").write_text(line("x", 0, 1, "a") + garbled)
    with pytest.raises(ArtifactError, match=r"talk\.rttm: line 2 cannot be understood"):
        load_sound_truths(folder)


def test_a_garbled_uem_file_is_told(folder: Path) -> None:
    (folder / "talk.rttm").write_text(line("x", 0, 1, "a"))
    (folder / "talk.uem").write_text("x 1 5 4\n")
    with pytest.raises(ArtifactError, match=r"talk\.uem: line 1 cannot be understood"):
        load_sound_truths(folder)


@pytest.mark.skipif(not MEDIA.is_dir(), reason="the shared media are not on this machine")
def test_the_meetings_and_the_telephone_talk_of_the_shared_media_are_found() -> None:
    truths = by_name(MEDIA)
    assert {name: truth.speakers for name, truth in truths.items()} == {
        "pya_ami_dev00.wav": 2,
        "pya_ami_dev01.wav": 2,
        "pya_ami_trn05.wav": 4,
        "pya_sample.wav": 2,
    }
    assert truths["pya_ami_dev00.wav"].extent == (Segment(0, 30),)
    assert truths["pya_sample.wav"].extent is None
