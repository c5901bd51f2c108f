"""Subtitles: what people can read in the time it is shown."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.transcripts import Word
from workflow_scripts.common.subtitles import Cue, Layout, cues_of, overlaps, too_fast

LAYOUT = Layout(rate=25.0)
TEXT = (
    "Bonsoir à tous, et bienvenue dans cette émission consacrée aux débats du moment."
    " Ce soir nous recevons trois invités. Ils ne sont d'accord sur rien, ou presque !"
)


def words_of(text: str, start: float = 0.0, each: float = 0.3, speaker: str | None = None) -> list[Word]:
    """The words of a text, one after the other."""
    return [
        Word(start + number * each, start + (number + 1) * each, f" {word}", 0.9, speaker)
        for number, word in enumerate(text.split())
    ]


@st.composite
def speech(draw: st.DrawFn) -> list[Word]:
    """Words in order as a recogniser may give them: of no length, overlapping, far apart, absurdly long."""
    words, start = [], 0.0
    letters = st.text(st.sampled_from("abcé.,!?好 "), min_size=0, max_size=60)
    for _ in range(draw(st.integers(0, 40))):
        start += draw(st.sampled_from([0.0, 0.01, 0.2, 0.5, 3.0]))
        length = draw(st.sampled_from([0.0, 0.05, 0.3, 2.0]))
        speaker = draw(st.sampled_from([None, "A", "B"]))
        words.append(Word(start, start + length, draw(st.sampled_from(["", " "])) + draw(letters), 0.5, speaker))
    return words


@given(speech(), st.sampled_from([16, 42]), st.sampled_from([None, 25.0]))
def test_lines_are_short_nothing_overlaps_and_no_word_is_lost(
    words: list[Word], line: int, rate: float | None
) -> None:
    cues = cues_of(words, Layout(line=line, rate=rate), 100.0)
    assert all(0 < len(text) <= line for cue in cues for text in cue.lines)
    assert all(1 <= len(cue.lines) <= 2 for cue in cues)
    assert overlaps(cues) == 0 and all(cue.end > cue.start for cue in cues)
    said = "".join("".join(word.text.split()) for word in words)
    assert "".join("".join("".join(cue.lines).split()) for cue in cues) == said


@given(speech())
def test_subtitles_begin_and_end_on_frames(words: list[Word]) -> None:
    for cue in cues_of(words, LAYOUT, 100.0):
        assert all(abs(time * 25 - round(time * 25)) < 1e-6 for time in (cue.start, cue.end))


def test_a_subtitle_ends_where_a_sentence_does_when_that_is_near() -> None:
    cues = cues_of(words_of(TEXT), LAYOUT, 60.0)
    said = [" ".join(cue.lines) for cue in cues]
    assert said[0].endswith("débats du moment.")
    assert " ".join(said) == TEXT


def test_a_speaker_or_a_long_pause_begins_a_new_subtitle() -> None:
    words = [
        *words_of("oui mais", speaker="A"),
        *words_of("non", 0.6, speaker="B"),
        *words_of("enfin", 3, speaker="B"),
    ]
    cues = cues_of(words, LAYOUT, 60.0)
    assert [(cue.lines, cue.speaker) for cue in cues] == [
        (("oui mais",), "A"),
        (("non",), "B"),
        (("enfin",), "B"),
    ]


def test_a_short_word_is_shown_long_enough_where_nothing_follows() -> None:
    (cue,) = cues_of([Word(1.0, 1.1, " Oui.", 0.9)], LAYOUT, 60.0)
    assert (cue.start, cue.end) == (1.0, 2.0)
    (last,) = cues_of([Word(1.0, 1.1, " Oui.", 0.9)], LAYOUT, 1.4)
    assert (last.start, last.end) == (1.0, 1.4)  # not beyond the video


def test_fast_speech_is_shown_as_long_as_it_takes_to_read() -> None:
    words = words_of("extraordinairement rapide décidément", each=0.2)
    (cue,) = cues_of(words, LAYOUT, 60.0)
    assert cue.speed <= 17.0 and too_fast([cue], 17.0) == 0
    crowded = cues_of([*words, *words_of("et puis", 1.7)], LAYOUT, 60.0)
    assert all(two.start - one.end >= 0.04 for one, two in pairwise(crowded))
    assert too_fast(crowded, 17.0) == 1


def test_nothing_is_shown_for_longer_than_seven_seconds_but_what_is_said_slowly() -> None:
    cues = cues_of(words_of("un deux trois quatre cinq six sept huit", each=2.0), LAYOUT, 60.0)
    assert len(cues) > 1 and max(cue.end - cue.start for cue in cues) <= 7.04


def test_lines_are_about_even() -> None:
    (cue,) = cues_of(words_of("ils ne sont d'accord sur rien, ou alors sur presque rien"), LAYOUT, 60.0)
    assert cue == Cue(cue.start, cue.end, ("ils ne sont d'accord sur rien,", "ou alors sur presque rien"))
