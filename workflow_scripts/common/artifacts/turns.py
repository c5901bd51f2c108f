"""Turns with their scores, `.workflow/<stem>/turns.json`: what a viewer shows of who speaks, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import compact, rate_in_json, read_entries
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.timeline import Turn

NAME = "turns.json"
HEARD_RATE = 10
"""Values of `heard` in a second."""
_DECIMALS = 4


@dataclass(frozen=True)
class SpeakerStatistics:
    """What one speaker has in a video.

    Args:
        seconds: how long the speaker talks.
        turns: in how many turns.
        longest: seconds of the longest turn.
        overlap: seconds of it all in which somebody else talks, too.
        share: of the video's duration, 0..1.
    """

    seconds: float
    turns: int
    longest: float
    overlap: float
    share: float

    @property
    def alone(self) -> float:
        """Seconds in which nobody else talks."""
        return self.seconds - self.overlap


def speaker_statistics(turns: Iterable[Turn], duration: float) -> dict[str, SpeakerStatistics]:
    """What every speaker has in a video of `duration` seconds, by label in order of the labels.

    Turns of one speaker do not overlap each other.
    """
    turns = sorted(turns)
    own: dict[str, list[Turn]] = {label: [] for label in sorted({turn.speaker for turn in turns})}
    for turn in turns:
        own[turn.speaker].append(turn)
    overlap = _overlaps(turns)
    found = {}
    for label, mine in own.items():
        seconds = sum(turn.duration for turn in mine)
        longest = max(turn.duration for turn in mine)
        share = seconds / duration if duration else 0.0
        found[label] = SpeakerStatistics(seconds, len(mine), longest, overlap[label], share)
    return found


def _overlaps(turns: Sequence[Turn]) -> dict[str, float]:
    """Seconds in which each speaker talks together with somebody else."""
    edges = sorted({edge for turn in turns for edge in (turn.start, turn.end)})
    overlap = dict.fromkeys((turn.speaker for turn in turns), 0.0)
    talking: list[Turn] = []
    following = 0
    for start, end in pairwise(edges):
        talking = [turn for turn in talking if turn.end > start]
        while following < len(turns) and turns[following].start <= start:
            talking.append(turns[following])
            following += 1
        if len(talking) > 1:
            for turn in talking:
                overlap[turn.speaker] += end - start
    return overlap


def write_turns(path: Path, turns: Sequence[Turn], heard: Iterable[float], engine: str, clock: FrameClock) -> None:
    """Write a video's turns, one per line, what each speaker has in it, and how surely speech is heard.

    Args:
        heard: a number in 0..1 for every tenth of a second, none where the engine cannot say.
        engine: which engine found them.
    """
    statistics = speaker_statistics(turns, float(clock.duration))
    with atomic_writer(path) as stream:
        stream.write(f'{{"fps":{compact(rate_in_json(clock.fps))},"frames":{clock.frames},')
        stream.write(f'"engine":{compact(engine)},"speakers":{{')
        stream.write(",".join(f"\n{compact(label)}:{compact(_entry(one))}" for label, one in statistics.items()))
        stream.write('\n},"turns":[')
        stream.write(",".join("\n" + compact(_rounded(vars(turn))) for turn in sorted(turns)))
        values = [round(float(value), _DECIMALS) for value in heard]
        stream.write(f'\n],"heard_rate":{HEARD_RATE},"heard":{compact(values)}}}\n')


def _entry(one: SpeakerStatistics) -> dict[str, Any]:
    seconds = {"seconds": one.seconds, "turns": one.turns, "share": one.share, "alone_seconds": one.alone}
    return _rounded({**seconds, "longest_seconds": one.longest})


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """The same with numbers as they are worth writing."""
    return {key: round(value, _DECIMALS) if isinstance(value, float) else value for key, value in values.items()}


def read_turns(path: Path) -> tuple[Turn, ...]:
    """The turns of a video, with their scores.

    Raises:
        ArtifactError: the file is missing, or holds something else.
    """
    return read_entries(path, "turns", "turn", _turn)


def _turn(entry: Any) -> Turn:
    turn = Turn(**entry)
    if not isinstance(turn.speaker, str):
        raise ValueError(f"{turn.speaker!r} is no speaker")
    if turn.score is not None and not 0 <= turn.score <= 1:
        raise ValueError(f"{turn.score} is no score")
    return turn
