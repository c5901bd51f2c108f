"""Transcripts: what is written comes back, and other programs can read the subtitles."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from workflow_scripts.common.artifacts.transcripts import (
    Spoken,
    Transcript,
    Word,
    read_transcript,
    write_srt,
    write_text,
    write_transcript,
    write_vtt,
)
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.subtitles import Cue

WORDS = (
    Word(0.5, 0.9, " Bonjour", 0.93, "SPEAKER_00"),
    Word(0.9, 1.4, " à", 0.8, "SPEAKER_00"),
    Word(1.4, 2.0, " tous.", 0.99, "SPEAKER_01"),
)
SEGMENT = Spoken(0.5, 2.0, "Bonjour à tous.", WORDS, -0.25, 0.01, 0.9)
TRANSCRIPT = Transcript("fr", 0.98, "transcribe", "base", 12.48, (SEGMENT,))


def test_a_transcript_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "Débat _transcript.json"
    write_transcript(path, TRANSCRIPT, {"video_filename": "Débat .mp4"})
    assert read_transcript(path) == TRANSCRIPT
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["video_filename"] == "Débat .mp4" and data["segments"][0]["speaker"] == "SPEAKER_00"
    assert path.read_text(encoding="utf-8").count("\n") == 3  # one segment per line


def test_an_empty_transcript_comes_back_too(tmp_path: Path) -> None:
    empty = Transcript("", 0.0, "transcribe", "base", 3.0)
    write_transcript(tmp_path / "t.json", empty)
    assert read_transcript(tmp_path / "t.json") == empty


def test_words_can_be_replaced_without_changing_the_segments() -> None:
    two = replace(TRANSCRIPT, segments=(SEGMENT, replace(SEGMENT, start=3.0, end=4.0)))
    unnamed = [replace(word, speaker=None) for word in two.words]
    changed = two.with_words(unnamed)
    assert changed.words == tuple(unnamed)
    assert [one.text for one in changed.segments] == [SEGMENT.text] * 2
    assert changed.segments[0].speaker is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"segments": 3}, "TypeError"),
        ({"language": None}, "no text"),
        ({"segments": [{"start": 2, "end": 1}]}, "KeyError"),
        ({"duration": "long"}, "ValueError"),
    ],
)
def test_something_else_is_named(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    path = tmp_path / "t.json"
    write_transcript(path, TRANSCRIPT)
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **change}), encoding="utf-8")
    with pytest.raises(ArtifactError, match=rf"t\.json: is no transcript \(.*{reason}"):
        read_transcript(path)


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 1), (0, "Infinity"), ("NaN", 1)])
def test_times_that_cannot_be_are_refused(tmp_path: Path, start: object, end: object) -> None:
    path = tmp_path / "t.json"
    write_transcript(path, TRANSCRIPT)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["segments"][0]["words"][0].update(start=start, end=end)
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(ArtifactError, match="no stretch of time"):
        read_transcript(path)


def test_subrip_is_numbered_from_one_with_commas(tmp_path: Path) -> None:
    write_srt(tmp_path / "t.srt", [Cue(0.5, 2.0, ("Bonjour",)), Cue(3661.04, 3662.0, ("à", "tous."))])
    assert (tmp_path / "t.srt").read_text(encoding="utf-8") == (
        "1\n00:00:00,500 --> 00:00:02,000\nBonjour\n\n2\n01:01:01,040 --> 01:01:02,000\nà\ntous.\n\n"
    )


def test_webvtt_names_the_speaker_and_escapes_what_would_be_markup(tmp_path: Path) -> None:
    write_vtt(tmp_path / "t.vtt", [Cue(0.5, 2.0, ("a <b> & c --> d",), "SPEAKER_00"), Cue(2.0, 3.0, ("e",))])
    assert (tmp_path / "t.vtt").read_text(encoding="utf-8") == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\n<v SPEAKER_00>a &lt;b&gt; &amp; c --&gt; d\n\n"
        "00:00:02.000 --> 00:00:03.000\ne\n\n"
    )


def test_the_text_has_a_paragraph_for_each_run_of_a_speaker(tmp_path: Path) -> None:
    write_text(tmp_path / "t.txt", TRANSCRIPT)
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == "SPEAKER_00: Bonjour à\n\nSPEAKER_01: tous.\n"
    nobody = TRANSCRIPT.with_words([replace(word, speaker=None) for word in WORDS])
    write_text(tmp_path / "t.txt", nobody)
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == "Bonjour à tous.\n"
    write_text(tmp_path / "t.txt", replace(TRANSCRIPT, segments=()))
    assert (tmp_path / "t.txt").read_text(encoding="utf-8") == ""
