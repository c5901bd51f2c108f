"""Word errors, times of words, speed and memory of ways to recognise speech, side by side on known recordings."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from services.bench.scripts import Show, results_of
from services.bench.word_truth import TrueWord, WordTruth, compared
from services.environments import python_of, state
from workflow_scripts.common.errors import PreconditionError, ToolError

ENVIRONMENT, SCORES = "audio_env", "bench_env"
#: In the order of the tables; `benchmarks/transcripts/recognise.py` says what each is.
WAYS = (
    "workflow",
    "workflow-8",
    "workflow-float32",
    "workflow-greedy",
    "workflow-whole",
    "plain",
    "plain-vad",
)
DEFAULT_WAYS = ("workflow", "workflow-8", "plain", "plain-vad")


@dataclass(frozen=True)
class Answer:
    """What one way made of one recording: errors in words of `true` ones, and what that took.

    `starts` and `ends` are how far the times of words that are right are off, in seconds, later is more.
    """

    way: str
    sound: str
    text: str
    language: str
    true: int
    substituted: int
    deleted: int
    inserted: int
    starts: tuple[float, ...]
    ends: tuple[float, ...]
    audio_seconds: float
    seconds: float
    cpu_seconds: float
    peak_memory: int

    @property
    def errors(self) -> int:
        """Words substituted, deleted and inserted."""
        return self.substituted + self.deleted + self.inserted


@dataclass(frozen=True)
class Total:
    """One way on all recordings; `starts` and `ends` are mean sizes in seconds, None where no times are known."""

    way: str
    true: int
    substituted: int
    deleted: int
    inserted: int
    starts: float | None
    ends: float | None
    times_real_time: float
    cpu_seconds: float
    peak_memory: int

    @property
    def rate(self) -> float:
        """The word error rate."""
        return (self.substituted + self.deleted + self.inserted) / max(1, self.true)


def check_environments() -> None:
    """Make sure that what recognises and what scores is there.

    Raises:
        PreconditionError: an environment is not made.
    """
    for name in (ENVIRONMENT, SCORES):
        if not state(name).ready:
            raise PreconditionError(f"This needs {name}, which is not made.", hint=f"Run scripts/setup {name}.")


def recognise_command(way: str, model: str, threads: int) -> tuple[str, ...]:
    """The command that runs `benchmarks/transcripts/recognise.py`; recordings are still to be named."""
    module = ("-m", "benchmarks.transcripts.recognise", "--way", way)
    return (str(python_of(ENVIRONMENT)), *module, "--model", model, "--threads", str(threads))


def score_command() -> tuple[str, ...]:
    """The command that runs `benchmarks/transcripts/score.py`; its file is still to be named."""
    return str(python_of(SCORES)), "-m", "benchmarks.transcripts.score"


def measure(ways: Sequence[str], truths: Sequence[WordTruth], model: str, threads: int, show: Show) -> list[Answer]:
    """Let every way work on every recording, each in a process of its own, one after the other."""
    answers = []
    for way in ways:
        show(f"{way} on {len(truths)} recordings")
        command = (*recognise_command(way, model, threads), *(str(one.path.absolute()) for one in truths))
        said = list(results_of(command, f"{way} failed"))
        if len(said) != len(truths):
            raise ToolError(f"{way}: {len(truths)} recordings were given, {len(said)} came back.")
        answers += _scored(way, truths, said)
    return answers


def _scored(way: str, truths: Sequence[WordTruth], said: Sequence[Mapping[str, Any]]) -> list[Answer]:
    heard = [
        [TrueWord(one, start, end) for text, start, end in each["words"] for one in compared(text)] for each in said
    ]
    pairs = [
        ([word.text for word in truth.words], [word.text for word in words])
        for truth, words in zip(truths, heard, strict=True)
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(pairs, file)
        file.flush()
        scores = list(results_of((*score_command(), file.name), "the texts could not be compared"))
    return [
        _answer(way, truth, one, words, score)
        for truth, one, words, score in zip(truths, said, heard, scores, strict=True)
    ]


def _answer(
    way: str, truth: WordTruth, said: Mapping[str, Any], heard: Sequence[TrueWord], score: Mapping[str, Any]
) -> Answer:
    same = [(truth.words[true], heard[found]) for true, found in score["same"]]
    return Answer(
        way=way,
        sound=truth.path.name,
        text="".join(text for text, _, _ in said["words"]).strip(),
        language=str(said["language"]),
        true=len(truth.words),
        substituted=int(score["substituted"]),
        deleted=int(score["deleted"]),
        inserted=int(score["inserted"]),
        starts=_off((true.start, found.start) for true, found in same),
        ends=_off((true.end, found.end) for true, found in same),
        audio_seconds=float(said["audio_seconds"]),
        seconds=float(said["seconds"]),
        cpu_seconds=float(said["cpu_seconds"]),
        peak_memory=int(said["peak_memory"]),
    )


def _off(times: Iterable[tuple[float | None, float | None]]) -> tuple[float, ...]:
    return tuple(found - true for true, found in times if true is not None and found is not None)


def totals(answers: Sequence[Answer]) -> list[Total]:
    """Each way over all recordings; errors are added up before they are divided."""
    by_way: dict[str, list[Answer]] = {}
    for one in answers:
        by_way.setdefault(one.way, []).append(one)
    return [
        Total(
            way=way,
            true=sum(one.true for one in some),
            substituted=sum(one.substituted for one in some),
            deleted=sum(one.deleted for one in some),
            inserted=sum(one.inserted for one in some),
            starts=_mean_size(some, "starts"),
            ends=_mean_size(some, "ends"),
            times_real_time=sum(one.audio_seconds for one in some) / sum(one.seconds for one in some),
            cpu_seconds=sum(one.cpu_seconds for one in some),
            peak_memory=max(one.peak_memory for one in some),
        )
        for way, some in by_way.items()
    ]


def _mean_size(answers: Sequence[Answer], name: str) -> float | None:
    sizes = [abs(value) for one in answers for value in getattr(one, name)]
    return mean(sizes) if sizes else None


def as_json(answers: Sequence[Answer]) -> dict[str, Any]:
    """Everything that was measured, for `--json`."""
    return {
        "recordings": [asdict(one) for one in answers],
        "totals": [asdict(one) | {"word_error_rate": one.rate} for one in totals(answers)],
    }
