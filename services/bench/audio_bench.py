"""Error, speed and memory of diarization engines side by side, on a folder of recordings whose turns are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from services.audio_service import AudioService
from services.bench.scripts import Show, results_of
from services.bench.sound_truth import SoundTruth
from services.environments import python_of, state
from workflow_scripts.common.errors import PreconditionError, ToolError

ENVIRONMENT = "audio_env"
#: In the order of the tables: with all its networks, without the segmentation network, and the one from the hub.
ENGINES = ("embedded", "embedded-plain", "pyannote")


@dataclass(frozen=True)
class Errors:
    """What an engine got wrong, in seconds, without collar; overlapping speech counts.

    `missed`, `false_alarm` and `confused` are errors of diarization, of `spoken` seconds of all speakers together;
    `speech_missed` and `speech_false` those of detection, of `speech` seconds in which anybody speaks.
    """

    spoken: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confused: float = 0.0
    speech: float = 0.0
    speech_missed: float = 0.0
    speech_false: float = 0.0

    def __add__(self, other: Errors) -> Errors:
        return Errors(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    @property
    def rate(self) -> float | None:
        """Diarization error rate; None where nobody speaks."""
        return self.of_spoken(self.missed + self.false_alarm + self.confused)

    def of_spoken(self, seconds: float) -> float | None:
        """Seconds as a share of what is spoken."""
        return seconds / self.spoken if self.spoken else None

    def of_speech(self, seconds: float) -> float | None:
        """Seconds as a share of the time in which anybody speaks."""
        return seconds / self.speech if self.speech else None


@dataclass(frozen=True)
class Answer:
    """What an engine made of a recording, and what that took: seconds, and bytes at the peak of its process."""

    errors: Errors
    speakers: int
    audio_seconds: float
    seconds: float
    cpu_seconds: float
    peak_memory: int

    @property
    def times_real_time(self) -> float:
        """How many seconds of sound it takes in a second."""
        return self.audio_seconds / self.seconds


@dataclass(frozen=True)
class Result:
    """An engine on a recording, with the number of speakers unknown and given; a sentence where it failed."""

    engine: str
    truth: SoundTruth
    unknown: Answer | None = None
    given: Answer | None = None
    failure: str = ""


@dataclass(frozen=True)
class Total:
    """An engine on all recordings on which it did not fail, with the number of speakers unknown and given."""

    engine: str
    recordings: int
    unknown: Errors
    given: Errors
    audio_seconds: float
    seconds: float
    cpu_seconds: float
    peak_memory: int


def chosen_engines(names: Sequence[str]) -> tuple[str, ...]:
    """The engines of these names; without any those that can run: pyannote only where it is configured.

    Raises:
        PreconditionError: their environment is not made.
        UsageError: STEP4's configuration is wrong.
    """
    if not state(ENVIRONMENT).ready:
        raise PreconditionError(
            f"The engines run in {ENVIRONMENT}, which is not made.", hint=f"Run scripts/setup {ENVIRONMENT}."
        )
    if names:
        return tuple(engine for engine in ENGINES if engine in names)
    configured = AudioService().get_config()["engine"] == "pyannote"
    return tuple(engine for engine in ENGINES if configured or engine != "pyannote")


def measure(engines: Sequence[str], truths: Sequence[SoundTruth], device: str, show: Show) -> list[Result]:
    """Let every engine work on every recording, twice, each time in a fresh process."""
    results = []
    for number, truth in enumerate(truths, 1):
        for engine in engines:
            show(f"{number}/{len(truths)}: {engine} on {truth.path.name}")
            results.append(_result(engine, truth, device))
    return results


def _result(engine: str, truth: SoundTruth, device: str) -> Result:
    try:
        unknown, given = (_answer(engine, truth, device, options) for options in ((), ("--given",)))
    except ToolError as error:
        return Result(engine, truth, failure=str(error))
    return Result(engine, truth, unknown, given)


def diarize_command(engine: str, device: str, *options: str) -> tuple[str, ...]:
    """The command that runs `benchmarks/audio/diarize.py`; a recording is still to be named."""
    module = ("-m", "benchmarks.audio.diarize", "--engine", engine, "--device", device)
    return (str(python_of(ENVIRONMENT)), *module, *options)


def _answer(engine: str, truth: SoundTruth, device: str, options: Sequence[str]) -> Answer:
    command = (*diarize_command(engine, device, *options), str(truth.path.absolute()))
    said = list(results_of(command, f"{engine} failed on {truth.path.name}"))
    try:
        return Answer(
            errors=Errors(**said[-1]["errors"]),
            speakers=int(said[-1]["speakers"]),
            audio_seconds=float(said[-1]["audio_seconds"]),
            seconds=float(said[-1]["seconds"]),
            cpu_seconds=float(said[-1]["cpu_seconds"]),
            peak_memory=int(said[-1]["peak_memory"]),
        )
    except (TypeError, LookupError, ValueError) as error:
        raise ToolError(f"{engine} on {truth.path.name}: what it printed is no result ({error!r}).") from error


def totals(results: Iterable[Result]) -> list[Total]:
    """Each engine over all recordings; errors are added up before they are divided."""
    by_engine: dict[str, list[tuple[Answer, Answer]]] = {}
    for one in results:
        if one.unknown and one.given:
            by_engine.setdefault(one.engine, []).append((one.unknown, one.given))
    return [
        Total(
            engine=engine,
            recordings=len(answers),
            unknown=sum((unknown.errors for unknown, _ in answers), Errors()),
            given=sum((given.errors for _, given in answers), Errors()),
            audio_seconds=sum(unknown.audio_seconds for unknown, _ in answers),
            seconds=sum(unknown.seconds for unknown, _ in answers),
            cpu_seconds=sum(unknown.cpu_seconds for unknown, _ in answers),
            peak_memory=max(unknown.peak_memory for unknown, _ in answers),
        )
        for engine, answers in by_engine.items()
    ]


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Everything that was measured, for `--json`."""
    return {
        "recordings": [
            {
                "engine": one.engine,
                "recording": one.truth.path.name,
                "true_speakers": one.truth.speakers,
                "failure": one.failure,
                "unknown": _told(one.unknown),
                "given": _told(one.given),
            }
            for one in results
        ],
        "totals": [
            asdict(one) | {"error_rate": one.unknown.rate, "error_rate_given": one.given.rate}
            for one in totals(results)
        ],
    }


def _told(answer: Answer | None) -> dict[str, Any] | None:
    return asdict(answer) | {"error_rate": answer.errors.rate} if answer else None
