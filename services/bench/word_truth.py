"""What is truly said in the recordings of a folder, and how texts are compared.

The words of `talk.wav` are in `talk.stm` (NIST: file, channel, speaker, start, end, text), `talk.srt`, `talk.txt`,
or in truth.json under `words`, as a text or as a list of entries whose last part is the text. `talk.srt` also tells
those of `talk_cut.mkv`. `talk.align` beside any of them has the times of words (GRID: start, end, word; 25,000 a
second).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.bench.shot_truth import NAME
from services.bench.sound_truth import is_sound
from workflow_scripts.common.artifacts.files import load_json, open_text
from workflow_scripts.common.errors import ArtifactError, UsageError

ALIGN_RATE = 25_000
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGITS = {str(digit): name for digit, name in enumerate(_NAMES)}
_FILLERS = {"uh", "um", "hm", "hmm", "mm", "mhm"}
_TAG = re.compile(r"^\s*[A-Z]{2,}:\s", re.MULTILINE)


@dataclass(frozen=True)
class TrueWord:
    """A word as texts are compared, and its times in seconds where they are known."""

    text: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class WordTruth:
    """A recording and its true words in order."""

    path: Path
    words: tuple[TrueWord, ...]


def compared(text: str) -> list[str]:
    """The words of a text as texts are compared.

    Without case, punctuation and apostrophes; letters and figures apart; single figures as words; without the
    sounds of somebody who thinks: "F2, um, Don't!" is `f two dont`.
    """
    plain = text.casefold().replace("’", "'").replace("'", "")
    words = (_DIGITS.get(word, word) for word in re.findall(r"[^\W\d_]+|\d+", plain))
    return [word for word in words if word not in _FILLERS]


def load_word_truths(folder: Path) -> list[WordTruth]:
    """All recordings of a folder whose words are known, by name.

    Raises:
        UsageError: there are none.
        ArtifactError: a file that tells them is garbled.
    """
    listed: Mapping[str, Any] = load_json(folder / NAME).get("words", {}) if (folder / NAME).exists() else {}
    found = []
    for path in sorted(one for one in folder.iterdir() if is_sound(one)):
        words = _beside(path) or _listed(listed.get(path.name), folder)
        if words:
            found.append(WordTruth(path, tuple(_with_times(words, path.with_suffix(".align")))))
    if not found:
        raise UsageError(
            f"{folder}: no recording here has its words beside it.",
            hint="A text file of the same name tells them: talk.txt of talk.wav.",
        )
    return found


def _beside(path: Path) -> list[TrueWord]:
    if (stm := path.with_suffix(".stm")).is_file():
        return _stm(stm)
    for srt in sorted(path.parent.glob("*.srt")):
        if path.stem == srt.stem or path.stem.startswith(f"{srt.stem}_"):
            return _srt(srt)
    if (text := path.with_suffix(".txt")).is_file():
        with open_text(text) as stream:
            return [TrueWord(word) for word in compared(stream.read())]
    return []


def _listed(entry: object, folder: Path) -> list[TrueWord]:
    """The words of an entry of truth.json; what only points to another file has none here."""
    if entry is None:
        return []
    texts = [entry] if isinstance(entry, str) else [one[-1] for one in entry] if isinstance(entry, list) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ArtifactError(folder / NAME, f"`words` holds what is no text: {json.dumps(entry)[:60]}.")
    if any(str(text).startswith(("see ", "contains ")) for text in texts):
        return []
    return [TrueWord(word) for text in texts for word in compared(str(text))]


def _stm(path: Path) -> list[TrueWord]:
    """The words of an STM file; the first of an utterance has its start, the last its end."""
    found = []
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            parts = line.split(None, 5)
            if not parts or parts[0].startswith(";;"):
                continue
            try:
                start, end, words = float(parts[3]), float(parts[4]), compared(parts[5])
            except (ValueError, IndexError) as error:
                raise ArtifactError(path, f"line {number} cannot be understood.") from error
            last = len(words) - 1
            found += [
                TrueWord(word, start if place == 0 else None, end if place == last else None)
                for place, word in enumerate(words)
            ]
    return found


def _srt(path: Path) -> list[TrueWord]:
    """The words of a SubRip file, without numbers, times, and who says it (`NAR: `)."""
    with open_text(path) as stream:
        blocks = stream.read().strip().split("\n\n")
    texts = ["\n".join(block.split("\n")[2:]) for block in blocks]
    return [TrueWord(word) for text in texts for word in compared(_TAG.sub("", text))]


def _with_times(words: Sequence[TrueWord], align: Path) -> Sequence[TrueWord]:
    """The words with the times of an align file, where there is one."""
    if not align.is_file():
        return words
    with open_text(align) as stream:
        lines = [line.split() for line in stream if line.split()[-1:] not in ([], ["sil"], ["sp"])]
    try:
        timed = [TrueWord(word, int(start) / ALIGN_RATE, int(end) / ALIGN_RATE) for start, end, word in lines]
    except ValueError as error:
        raise ArtifactError(align, "a line cannot be understood.") from error
    if [word.text for word in timed] != [word.text for word in words]:
        raise ArtifactError(align, "holds other words than are said.")
    return timed
