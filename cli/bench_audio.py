"""`scripts/bench audio`: diarization engines side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from cli.tables import shortened, table
from services.bench.audio_bench import ENGINES, Errors, Result, Total, as_json, chosen_engines, measure, totals
from services.bench.sound_truth import load_sound_truths
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.events import printable

_HEADER = (
    "recording", "engine", "error", "missed", "false", "confused", "given", "speech missed", "speech false",
    "speakers", "x real time", "CPU s", "peak MB",
)  # fmt: skip


@click.command("audio")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", type=click.Choice(ENGINES), multiple=True, help="This engine; repeatable.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def measure_audio(folder: Path, only: tuple[str, ...], device: str, target: Path | None) -> None:
    """Compare diarization engines on the recordings of FOLDER whose turns an RTTM file tells.

    talk.rttm tells those of talk.wav; an RTTM file of several recordings those of the files it names; a UEM file
    which parts count. The engines are the embedded one with and without its segmentation network, and pyannote
    where it is configured. Errors are diarization error rates without collar, overlapping speech counted: number
    of speakers unknown, and under "given" told beforehand. Each run is a fresh process.
    """
    engines = chosen_engines(only)
    truths = load_sound_truths(folder)
    results = measure(engines, truths, device, lambda line: click.echo(printable(line), err=True))
    for line in (*audio_lines(results), *(printable(one.failure) for one in results if one.failure)):
        click.echo(line)
    if target:
        with atomic_writer(target.absolute()) as file:
            json.dump(as_json(results), file, indent=1, ensure_ascii=False)


def audio_lines(results: Sequence[Result]) -> list[str]:
    """The table: each recording, and each engine over all of them."""
    return table(_HEADER, [*map(_row, results), *map(_total_row, totals(results))])


def _row(one: Result) -> list[str]:
    if one.unknown is None or one.given is None:
        return [shortened(one.truth.path.name), one.engine, "FAILED", *[""] * (len(_HEADER) - 3)]
    return [
        shortened(one.truth.path.name),
        one.engine,
        *_error_cells(one.unknown.errors, one.given.errors),
        f"{one.unknown.speakers}/{one.truth.speakers}",
        f"{one.unknown.times_real_time:.1f}",
        f"{one.unknown.cpu_seconds:.2f}",
        f"{one.unknown.peak_memory / 1e6:.0f}",
    ]


def _total_row(one: Total) -> list[str]:
    return [
        f"all {one.recordings}",
        one.engine,
        *_error_cells(one.unknown, one.given),
        "",
        f"{one.audio_seconds / one.seconds:.1f}",
        f"{one.cpu_seconds:.2f}",
        f"{one.peak_memory / 1e6:.0f}",
    ]


def _error_cells(unknown: Errors, given: Errors) -> Iterator[str]:
    yield _percent(unknown.rate)
    for seconds in (unknown.missed, unknown.false_alarm, unknown.confused):
        yield _percent(unknown.of_spoken(seconds))
    yield _percent(given.rate)
    for seconds in (unknown.speech_missed, unknown.speech_false):
        yield _percent(unknown.of_speech(seconds))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
