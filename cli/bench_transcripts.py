"""`scripts/bench transcripts`: ways to recognise speech side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from cli.tables import shortened, table
from services.bench.transcript_bench import (
    DEFAULT_WAYS,
    WAYS,
    Answer,
    Total,
    as_json,
    check_environments,
    measure,
    totals,
)
from services.bench.word_truth import load_word_truths
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.events import printable

_HEADER = (
    "recording", "way", "errors", "substituted", "deleted", "inserted", "language", "starts off", "ends off",
    "x real time", "CPU s", "peak MB",
)  # fmt: skip


@click.command("transcripts")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--only", type=click.Choice(WAYS), multiple=True, help="This way; repeatable.")
@click.option("--model", default="base", show_default=True, help="Speech model, by name or as a folder.")
@click.option("--threads", type=click.IntRange(0, 256), default=0, show_default=True, help="0 is one per core.")
@click.option("--texts", is_flag=True, help="Print what each way understood.")
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def measure_transcripts(
    folder: Path, only: tuple[str, ...], model: str, threads: int, texts: bool, target: Path | None
) -> None:
    """Compare ways to recognise speech on the recordings of FOLDER whose words are known.

    talk.stm, talk.srt, talk.txt or truth.json tell those of talk.wav. The ways are STEP4B, with one window or 8 at
    once, in FP32, with one beam, without its voice activity detector, and faster-whisper's own `transcribe` without
    and with its detector. Errors are those of a word error rate: texts without case, punctuation and hesitation,
    single figures as words. Everything runs on the CPU, each way in a fresh process.
    """
    check_environments()
    truths = load_word_truths(folder)
    answers = measure(
        only or DEFAULT_WAYS, truths, model, threads, lambda line: click.echo(printable(line), err=True)
    )
    for line in transcript_lines(answers):
        click.echo(line)
    if texts:
        for one in answers:
            click.echo(printable(f"{one.sound}, {one.way}: {one.text}"))
    if target:
        with atomic_writer(target.absolute()) as file:
            json.dump(as_json(answers), file, indent=1, ensure_ascii=False)


def transcript_lines(answers: Sequence[Answer]) -> list[str]:
    """The table: each recording, and each way over all of them."""
    order = sorted(answers, key=lambda one: one.sound)
    return table(_HEADER, [*map(_row, order), *map(_total_row, totals(answers))])


def _row(one: Answer) -> list[str]:
    return [
        shortened(one.sound),
        one.way,
        f"{one.errors} of {one.true}",
        *map(str, (one.substituted, one.deleted, one.inserted)),
        one.language or "-",
        _off(_mean(one.starts)),
        _off(_mean(one.ends)),
        f"{one.audio_seconds / one.seconds:.1f}",
        f"{one.cpu_seconds:.1f}",
        f"{one.peak_memory / 1e6:.0f}",
    ]


def _total_row(one: Total) -> list[str]:
    return [
        "all",
        one.way,
        f"{100 * one.rate:.1f} %",
        *map(str, (one.substituted, one.deleted, one.inserted)),
        "",
        _off(one.starts),
        _off(one.ends),
        f"{one.times_real_time:.1f}",
        f"{one.cpu_seconds:.1f}",
        f"{one.peak_memory / 1e6:.0f}",
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(map(abs, values)) / len(values) if values else None


def _off(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f} s"
