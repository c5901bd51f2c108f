"""`scripts/bench`: the figures of docs/measurements.md, measured again."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from cli.bench_audio import measure_audio
from cli.bench_transcripts import measure_transcripts
from cli.sentences import SentenceGroup
from cli.tables import report_lines, table
from services import workflow
from services.bench import corpus, made_up_shots, memory, shot_bench, shot_parity
from services.bench.shot_accuracy import Counts, Score
from services.bench.shot_bench import Findings, Speed
from services.bench.shot_detectors import REFERENCES, SCRIPTS, chosen_detectors
from services.bench.shot_truth import NAME, CutTruth, load_truth
from services.pipeline import load_pipeline
from services.reports import exit_code
from services.scratch import use_scratch
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT

DEFAULT_FOLDER = ROOT / "demo-bench"


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure: the pipeline on real videos, its memory, its shots, speakers and words against the truth."""


@main.command("corpus")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_FOLDER / "corpus")
def measure_corpus(folder: Path, work: Path) -> None:
    """Zip all videos of FOLDER under hostile names, run STEP1 to STEP7, compare the cuts with FOLDER/truth.json."""
    use_scratch(work)
    pipeline = load_pipeline()
    (work / "inbox").mkdir(parents=True)
    truths = load_truth(folder) if (folder / NAME).exists() else {}
    named = corpus.pack(corpus.corpus_files(folder), work / "inbox" / "Corpus.zip")
    reports = workflow.run(pipeline, workflow.request_of(pipeline), lambda line: click.echo(printable(line)))
    statuses = workflow.statuses(pipeline, ()).get("Corpus", [])
    rows = list(corpus.results(named, statuses, truths))
    header = ["file", "state", "cuts found", "false", "gradual found", "message"]
    cells = [
        [
            row.name,
            row.state,
            f"{row.cuts.hard_found}/{row.cuts.hard}" if row.cuts else "",
            str(row.cuts.false) if row.cuts else "",
            f"{row.cuts.gradual_found}/{row.cuts.gradual}" if row.cuts else "",
            row.message,
        ]
        for row in rows
    ]
    for line in (*table(header, cells), "", *report_lines(reports)):
        click.echo(line)
    sys.exit(exit_code(reports))


@main.command("memory")
@click.option("--minutes", type=float, multiple=True, default=(1.0, 20.0), help="Lengths of the videos.")
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_FOLDER / "memory")
def measure_memory(minutes: tuple[float, ...], work: Path) -> None:
    """Peak memory of STEP3 and STEP5 on videos of several lengths."""
    use_scratch(work)
    peaks = memory.measure_memory(minutes, ("STEP3", "STEP5"), lambda line: click.echo(printable(line)))
    first = {peak.step: peak.memory for peak in reversed(peaks)}
    rows = [
        [p.step, f"{p.minutes:g}", f"{p.memory / 1e6:.0f}", f"{p.memory / first[p.step]:.2f}", f"{p.seconds:.1f}"]
        for p in peaks
    ]
    for line in table(["step", "minutes", "peak MB", "ratio", "seconds"], rows):
        click.echo(line)


@main.command("shots")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Rounds of measuring speed.")
@click.option("--only", type=click.Choice(list(SCRIPTS)), multiple=True, help="This detector; repeatable.")
@click.option("--speed-video", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Video to measure speed and memory on; else the longest of FOLDER.")  # fmt: skip
@click.option("--json", "target", type=click.Path(dir_okay=False, path_type=Path), help="File for all figures.")
def measure_shots(
    folder: Path, rounds: int, only: tuple[str, ...], speed_video: Path | None, target: Path | None
) -> None:
    """Compare shot detectors on the videos of FOLDER whose cuts FOLDER/truth.json tells.

    Accuracy is counted within 0 and within 2 frames. Speed and peak memory are those on one video, all detectors in
    turn in each round. Everything runs on the CPU, each detector in a fresh process of its own environment.
    """
    detectors = chosen_detectors(only)
    truths = load_truth(folder)
    video = speed_video or shot_bench.longest_video(folder)
    findings = shot_bench.find_cuts(detectors, folder, truths, _show)
    speeds = shot_bench.measure_speed(detectors, video, rounds, _show)
    for line in (*_accuracy_lines(findings, truths), "", *_speed_lines(video, speeds)):
        click.echo(line)
    if target:
        with atomic_writer(target.absolute()) as file:
            json.dump(shot_bench.as_json(findings, truths, video, speeds), file, indent=1, ensure_ascii=False)


@main.command("parity")
@click.argument("folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--frames", type=click.IntRange(1), multiple=True, help="Number of frames; repeatable.")
def measure_parity(folder: Path | None, frames: tuple[int, ...]) -> None:
    """Compare the scores of STEP3's network with those of the package it comes from.

    Takes frames of the videos of FOLDER, without it made-up pictures: 1, some around the borders of the network's
    windows, and 10,007. Tells the largest difference of either head; how many cuts the package makes, and whether
    its rule makes the same of STEP3's scores; whether STEP3's own rules make the same cuts as in float32.
    """
    rows = [
        [
            str(row.frames),
            row.backend,
            f"{row.single:.1e}",
            f"{row.many:.1e}",
            str(row.cuts),
            _yes_or_no(row.same_cuts),
            _yes_or_no(row.same_transitions),
        ]
        for row in shot_parity.measure_parity(folder, frames, _show)
    ]
    for line in table(["frames", "computed in", "first head", "second head", "cuts", "same", "STEP3 same"], rows):
        click.echo(line)


@main.command("transitions")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def measure_transitions(folder: Path) -> None:
    """Make sequences whose transitions are known, and tell what is found in them.

    They are made of the shots of the videos of FOLDER whose cuts FOLDER/truth.json tells, always the same: cut
    fast, dissolved and faded, and without any cut. Told are STEP3's transitions, and those that the package's rule
    (one head, one threshold) makes of the same scores.
    """
    rows = [
        [
            row.group,
            str(row.frames),
            str((made := row.found.hard + row.found.gradual) or "-"),
            *_made_up_cells(row.found, made),
            *_made_up_cells(row.package, made),
        ]
        for row in made_up_shots.measure_made_up(folder, _show)
    ]
    header = ["sequence", "frames", "made", "found", "false", "found by the package's rule", "false"]
    for line in table(header, rows):
        click.echo(line)


main.add_command(measure_audio)
main.add_command(measure_transcripts)


def _made_up_cells(counts: Counts, made: int) -> list[str]:
    return [str(counts.hard_found + counts.gradual_found) if made else "-", str(counts.false)]


def _yes_or_no(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "NO"


def _show(line: str) -> None:
    click.echo(printable(line), err=True)


def _accuracy_lines(findings: Sequence[Findings], truths: Mapping[str, CutTruth]) -> list[str]:
    """Found cuts, precision, recall and F1 of every detector; under them what one must know about them."""
    kinds = {"": truths}
    certain = {name: truth.certain() for name, truth in truths.items()}
    if certain != truths:
        kinds[", certain cuts"] = certain
    header = ["detector", "within", "hard", "P", "R", "F1", "gradual", "P", "R", "F1", "false"]
    rows = []
    for one in findings:
        for kind, asked in kinds.items():
            for tolerance in shot_bench.TOLERANCES:
                counts = one.counts(asked, tolerance)
                scores = counts.scores()
                figures = [*_score_cells(scores["hard"]), *_score_cells(scores["gradual"])]
                rows.append([f"{one.detector}{kind}", str(tolerance), *figures, str(counts.false)])
    remarks = [remark for one in findings for remark in one.remarks(truths)]
    notes = [f"{name}, says {NAME}: {truth.note}" for name, truth in truths.items() if truth.hard and truth.note]
    return [*table(header, rows), *map(printable, (*remarks, *notes))]


def _score_cells(score: Score) -> list[str]:
    shares = (score.precision, score.recall, score.f1)
    return [f"{score.found}/{score.there}", *("-" if share is None else f"{share:.2f}" for share in shares)]


def _speed_lines(video: Path, speeds: Sequence[Speed]) -> list[str]:
    """Frames per second, how many times as fast as the references, and peak memory."""
    header = ["detector", "frames/s", *(f"x {reference}" for reference in REFERENCES), "peak MB", "s with start"]
    rows = [
        [
            speed.detector,
            f"{speed.frames_per_second:.0f}",
            *(f"{speed.ratios[name]:.2f}" if name in speed.ratios else "-" for name in REFERENCES),
            f"{speed.peak_memory / 1e6:.0f}",
            f"{speed.process_seconds:.1f}",
        ]
        for speed in speeds
    ]
    return [printable(f"On {video.name}:"), *table(header, rows)]


if __name__ == "__main__":
    main(prog_name="scripts/bench")
