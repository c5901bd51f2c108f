"""Words for a viewer."""

from __future__ import annotations

from typing import Any

import pytest

from services.projects import UnknownName
from services.viewing.indexes import Indexes
from services.viewing.overview import overview
from services.viewing.words import WordView, words
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript, Word, write_transcript
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.projects import Video

WORDS = (
    Word(0.2, 0.6, " Été", 0.91, "SPEAKER_01"),
    Word(0.6, 1.0, " « 好\n\x1b»", 0.52),
    Word(1.4, 1.9, " fini.", 0.75, "SPEAKER_00"),
)


def write_words(video: Video, *found: Word) -> None:
    """What STEP4B leaves."""
    said = (Spoken(0.2, 1.9, "text", found, -0.1, 0.0, 1.0),) if found else ()
    write_transcript(video.delivered("_transcript.json"), Transcript("fr", 0.9, "transcribe", "base", 2.0, said))


def test_words_come_whole_where_they_touch_the_range(get: Any, video: Video) -> None:
    write_words(video, *WORDS)
    index = get("words")
    assert index.meta["language"] == "fr"
    assert words(index, 0, 10) == [
        WordView(0.2, 0.6, "Été", "SPEAKER_01", 0.91),
        WordView(0.6, 1.0, "« 好\\n\\x1b»", None, 0.52),
        WordView(1.4, 1.9, "fini.", "SPEAKER_00", 0.75),
    ]
    assert [one.text for one in words(index, 0.6, 1.4)] == ["« 好\\n\\x1b»"]


def test_a_transcript_without_words_has_none(get: Any, video: Video) -> None:
    write_words(video)
    assert words(get("words"), 0, 10) == []


def test_the_overview_says_whether_there_are_words(indexes: Indexes, video: Video) -> None:
    assert overview(indexes, video).available["words"] is False
    write_words(video, *WORDS)
    while (seen := overview(indexes, video)).preparing:
        pass
    assert seen.available["words"] is True and seen.problems == {}


def test_what_is_not_there_or_no_transcript_is_a_sentence(get: Any, video: Video) -> None:
    with pytest.raises(UnknownName, match="This video has no words yet"):
        get("words")
    video.delivered("_transcript.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"a _transcript\.json: is no transcript"):
        get("words")
