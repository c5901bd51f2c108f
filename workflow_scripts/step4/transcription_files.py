"""The files of a transcript: written, and the recognised words kept so that laying them out anew costs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import load_json
from workflow_scripts.common.artifacts.transcripts import (
    JSON_SUFFIX,
    SRT_SUFFIX,
    TXT_SUFFIX,
    VTT_SUFFIX,
    Transcript,
    transcript_of,
    write_srt,
    write_text,
    write_transcript,
    write_vtt,
)
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.subtitles import Cue
from workflow_scripts.step4.transcription_recognised import Recognised

#: In `.workflow/<stem>/`: what was recognised, before anybody knows who says it.
WORDS = "words.json"
#: What is written for a transcript, by role.
SUFFIXES = {"transcript": JSON_SUFFIX, "srt": SRT_SUFFIX, "vtt": VTT_SUFFIX, "text": TXT_SUFFIX}


def write_all(
    files: Mapping[str, Path], transcript: Transcript, cues: Sequence[Cue], more: Mapping[str, Any]
) -> None:
    """Write a transcript in every form; `files` are by role."""
    write_transcript(files["transcript"], transcript, more)
    write_srt(files["srt"], cues)
    write_vtt(files["vtt"], cues)
    write_text(files["text"], transcript)


def write_words(path: Path, found: Recognised, made_from: Mapping[str, Any]) -> None:
    """Keep what was recognised, and from what it was made."""
    facts = {name: value for name, value in asdict(found).items() if name != "transcript"}
    write_transcript(path, found.transcript, {"made_from": made_from, "facts": facts})


def read_words(path: Path, made_from: Mapping[str, Any]) -> Recognised | None:
    """What was recognised before; None where that was made from something else, or cannot be read."""
    try:
        data = load_json(path)
        if data.get("made_from") != made_from:
            return None
        return Recognised(transcript_of(path, data), **data["facts"])
    except (ArtifactError, KeyError, TypeError):
        return None
