"""Transcripts, `<stem>_transcript.json`, `.srt`, `.vtt` and `.txt`: what is said, word by word, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import compact, load_json
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import timecode
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.subtitles import Cue

JSON_SUFFIX = "_transcript.json"
SRT_SUFFIX = "_transcript.srt"
VTT_SUFFIX = "_transcript.vtt"
TXT_SUFFIX = "_transcript.txt"
_DECIMALS = 3


@dataclass(frozen=True)
class Word:
    """A word as it was recognised, half-open `[start, end)` in seconds on the picture's clock.

    `text` keeps the space before it, where its language writes one, and its punctuation; `probability` is 0..1;
    `speaker` is the label of a turn, None where nobody's turn is near.
    """

    start: float
    end: float
    text: str
    probability: float
    speaker: str | None = None


@dataclass(frozen=True)
class Spoken:
    """A stretch of text as it was recognised, about a sentence; seconds as in its words.

    Args:
        log_probability: mean natural logarithm of its tokens' probabilities, 0 is certain.
        no_speech: the probability that there is no speech where it was heard, 0..1.
        compression: how much its text shrinks when packed; much for what repeats itself.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...]
    log_probability: float
    no_speech: float
    compression: float

    @property
    def speaker(self) -> str | None:
        """Who says most of it, by time; None where nobody is known."""
        seconds: dict[str, float] = {}
        for word in self.words:
            if word.speaker is not None:
                seconds[word.speaker] = seconds.get(word.speaker, 0.0) + word.end - word.start
        return max(seconds, key=lambda label: seconds[label], default=None)


@dataclass(frozen=True)
class Transcript:
    """All that is said in a video or sound file.

    Args:
        language: its code (`fr`), empty where nothing was said; `language_probability` is 1 where it was given.
        task: `transcribe`, or `translate` into English.
        model: what recognised it, for people.
        duration: of the file, in seconds.
    """

    language: str
    language_probability: float
    task: str
    model: str
    duration: float
    segments: tuple[Spoken, ...] = field(default=())

    @property
    def words(self) -> tuple[Word, ...]:
        """Every word, in order."""
        return tuple(word for segment in self.segments for word in segment.words)

    def with_words(self, words: Sequence[Word]) -> Transcript:
        """The same with other words in the place of its own, as many and in the same order."""
        rest = iter(words)
        segments = (replace(one, words=tuple(next(rest) for _ in one.words)) for one in self.segments)
        return replace(self, segments=tuple(segments))


def write_transcript(path: Path, transcript: Transcript, more: Mapping[str, Any] | None = None) -> None:
    """Write a transcript as JSON, one segment per line; `more` are further fields of the object."""
    head = {**(more or {}), **{name: value for name, value in vars(transcript).items() if name != "segments"}}
    with atomic_writer(path) as stream:
        stream.write(compact(_rounded(head))[:-1] + ',"segments":[')
        stream.write(
            ",".join("\n" + compact(_entry(number, one)) for number, one in enumerate(transcript.segments))
        )
        stream.write("\n]}\n")


def _entry(number: int, one: Spoken) -> dict[str, Any]:
    values = {"id": number, **asdict(one), "speaker": one.speaker}
    return {**_rounded(values), "words": [_rounded(asdict(word)) for word in one.words]}


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same with numbers as they are worth writing."""
    return {key: round(value, _DECIMALS) if isinstance(value, float) else value for key, value in values.items()}


def read_transcript(path: Path) -> Transcript:
    """The transcript in a JSON file.

    Raises:
        ArtifactError: the file is missing, or holds something else.
    """
    return transcript_of(path, load_json(path))


def transcript_of(path: Path, data: Mapping[str, Any]) -> Transcript:
    """The transcript in what a JSON file holds; fields it does not know are passed over.

    Raises:
        ArtifactError: it is something else.
    """
    try:
        segments = tuple(_spoken(entry) for entry in data["segments"])
        return Transcript(
            language=_text(data["language"]),
            language_probability=float(data["language_probability"]),
            task=_text(data["task"]),
            model=_text(data["model"]),
            duration=float(data["duration"]),
            segments=segments,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(path, f"is no transcript ({type(error).__name__}: {error}).") from error


def _spoken(entry: Mapping[str, Any]) -> Spoken:
    numbers = {name: float(entry[name]) for name in ("log_probability", "no_speech", "compression")}
    start, end = _times(entry)
    words = tuple(_word(word) for word in entry["words"])
    return Spoken(start, end, _text(entry["text"]), words, **numbers)


def _word(entry: Mapping[str, Any]) -> Word:
    start, end = _times(entry)
    speaker = entry.get("speaker")
    return Word(
        start, end, _text(entry["text"]), float(entry["probability"]), None if speaker is None else _text(speaker)
    )


def _times(entry: Mapping[str, Any]) -> tuple[float, float]:
    start, end = float(entry["start"]), float(entry["end"])
    if not 0 <= start <= end < float("inf"):
        raise ValueError(f"[{start}, {end}) is no stretch of time")
    return start, end


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def write_srt(path: Path, cues: Sequence[Cue]) -> None:
    """Write subtitles as SubRip: UTF-8, numbered from 1, times to a millisecond."""
    with atomic_writer(path) as stream:
        for number, cue in enumerate(cues, 1):
            lines = "\n".join(cue.lines)
            stream.write(f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{lines}\n\n")


def write_vtt(path: Path, cues: Sequence[Cue]) -> None:
    """Write subtitles as WebVTT; a cue whose speaker is known says who it is (`<v SPEAKER_00>`)."""
    with atomic_writer(path) as stream:
        stream.write("WEBVTT\n\n")
        for cue in cues:
            text = "\n".join(_escaped(line) for line in cue.lines)
            voice = "" if cue.speaker is None else f"<v {_escaped(cue.speaker)}>"
            stream.write(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{voice}{text}\n\n")


def write_text(path: Path, transcript: Transcript) -> None:
    """Write what is said as text to read: a paragraph per speaker's run, with its name where there is one."""
    with atomic_writer(path) as stream:
        stream.write("\n\n".join(paragraphs(transcript)) + "\n" if transcript.segments else "")


def paragraphs(transcript: Transcript) -> Iterator[str]:
    """What is said, a paragraph per speaker's run; where no speaker is known, one per segment."""
    if not any(word.speaker for word in transcript.words):
        yield from (" ".join(one.text.split()) for one in transcript.segments)
        return
    for speaker, words in groupby(transcript.words, key=lambda word: word.speaker):
        text = " ".join("".join(word.text for word in words).split())
        if text:
            yield f"{speaker}: {text}" if speaker else text


def _clock(seconds: float, point: str) -> str:
    return timecode(Fraction(seconds)).replace(".", point)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
