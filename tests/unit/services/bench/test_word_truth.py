"""Which recordings of a folder have their words told, which words those are, and how texts are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from services.bench.word_truth import TrueWord, WordTruth, compared, load_word_truths
from workflow_scripts.common.errors import ArtifactError, UsageError
from workflow_scripts.common.paths import ROOT

MEDIA = ROOT.parent / "shared" / "media"


def by_name(folder: Path) -> dict[str, WordTruth]:
    return {truth.path.name: truth for truth in load_word_truths(folder)}


def texts(truth: WordTruth) -> str:
    return " ".join(word.text for word in truth.words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("F2, um, Don’t!", "f two dont"),
        ("Set white with P2 soon.", "set white with p two soon"),
        ("L’été – déjà ?", "lété déjà"),
        ("in 40 seconds, self-made", "in 40 seconds self made"),
        (" … ", ""),
    ],
)
def test_texts_are_compared_by_their_words(text: str, words: str) -> None:
    assert compared(text) == words.split()


def test_words_are_told_by_the_file_beside_a_recording(tmp_path: Path) -> None:
    for name in ("a.wav", "b.mp4", "b_cut.mkv", "c.flac", "nobody.wav"):
        (tmp_path / name).touch()
    (tmp_path / "a.stm").write_text(";; a comment\na 1 ann 1.5 3.0 Hello there you.\na 1 bob 3.5 4.0 Yes!\n")
    (tmp_path / "b.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nNAR: Good\nday.\n\n2\nx --> y\nAll\n")
    (tmp_path / "c.txt").write_text("Just this.\n")
    found = by_name(tmp_path)
    assert set(found) == {"a.wav", "b.mp4", "b_cut.mkv", "c.flac"}
    assert found["a.wav"].words == (
        TrueWord("hello", 1.5),
        TrueWord("there"),
        TrueWord("you", None, 3.0),
        TrueWord("yes", 3.5, 4.0),
    )
    assert texts(found["b.mp4"]) == texts(found["b_cut.mkv"]) == "good day all"
    assert texts(found["c.flac"]) == "just this"


def test_words_are_told_by_truth_json_and_their_times_by_an_align_file(tmp_path: Path) -> None:
    for name in ("a.mpg", "b.mp4", "c.wav"):
        (tmp_path / name).touch()
    words = {
        "a.mpg": "set two",
        "b.mp4": [[0, 3, "man", "lay blue"], [3, 6, "woman", "at x"]],
        "c.wav": "see c.stm",
    }
    (tmp_path / "truth.json").write_text(json.dumps({"words": words}))
    (tmp_path / "a.align").write_text("0 12500 sil\n12500 25000 set\n25000 50000 two\n50000 60000 sil\n")
    found = by_name(tmp_path)
    assert found["a.mpg"].words == (TrueWord("set", 0.5, 1.0), TrueWord("two", 1.0, 2.0))
    assert texts(found["b.mp4"]) == "lay blue at x"
    assert set(found) == {"a.mpg", "b.mp4"}


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.stm", "a 1 ann one two Hello\n", "line 1 cannot be understood"),
        ("truth.json", '{"words": {"a.wav": 5}}', "is no text"),
        ("a.align", "0 5 other\n", "holds other words than are said"),
        ("a.align", "0 set\n", "a line cannot be understood"),
    ],
)
def test_what_tells_them_wrongly_is_told_with_its_name(
    tmp_path: Path, name: str, content: str, reason: str
) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "a.txt").write_text("set")
    if name == "truth.json":
        (tmp_path / "a.txt").unlink()
    (tmp_path / name).write_text(content)
    with pytest.raises(ArtifactError, match=reason) as caught:
        load_word_truths(tmp_path)
    assert name in str(caught.value)


def test_a_folder_without_words_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    with pytest.raises(UsageError, match="no recording here has its words beside it"):
        load_word_truths(tmp_path)


@pytest.mark.skipif(not MEDIA.is_dir(), reason="the real recordings are not beside the repository")
def test_the_words_of_the_real_recordings_are_read() -> None:
    found = by_name(MEDIA)
    assert texts(found["grid_id2_swwp2s.mpg"]) == "set white with p two soon"
    assert found["grid_id2_swwp2s.mpg"].words[0] == TrueWord("set", 0.49, 0.77)
    assert len(found["drv_grid_seq_visible.mp4"].words) == 36
    assert texts(found["tc_nasa_13013_mkv_duration_tag.mkv"]).startswith("this is the optical and science segment")
    assert found["pya_sample.wav"].words[0] == TrueWord("hello", 6.68, 7.16)
