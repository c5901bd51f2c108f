"""What the demonstration thinks of a transcript, against what is truly said in its sample."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from services.demo import words_check
from services.sample import SampleShot, SampleVideo
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript, Word, write_transcript

SHOTS = (SampleShot(50, "discs"),)
TALK = SampleVideo("talk.mp4", Fraction(25), SHOTS, 2, ("New Jersey", "Texas"))
SILENT = SampleVideo("silent.mp4", Fraction(25), SHOTS, None)


@pytest.mark.parametrize(
    ("truth", "text", "found", "good"),
    [
        (TALK, " I'm in New Jersey, not in Texas.", "7 words, among them New Jersey, Texas", True),
        (TALK, " I'm in New Jersey.", "4 words, among them New Jersey", False),
        (TALK, "", "0 words", False),
        (SILENT, "", "0 words", True),
        (SILENT, " Thank you for watching.", "4 words", False),
    ],
)
def test_words_are_right_where_every_name_is_heard_and_nothing_where_nobody_speaks(
    make_converted: Any, truth: SampleVideo, text: str, found: str, good: bool
) -> None:
    video = make_converted("P", truth.name)
    words = tuple(Word(float(n), n + 0.5, f" {word}", 0.9) for n, word in enumerate(text.split()))
    said = (Spoken(0.0, float(len(words)), text, words, -0.1, 0.1, 1.0),) if words else ()
    write_transcript(video.delivered("_transcript.json"), Transcript("en", 1.0, "transcribe", "base", 30.0, said))
    check = words_check(truth, video)
    assert (check.found, check.good) == (found, good)
