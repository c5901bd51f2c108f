"""`scripts/bench`: the figures of docs/measurements.md, measured again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.sentences import SentenceGroup
from cli.tables import report_lines, table
from services import corpus, memory, workflow
from services.foreground import exit_code
from services.pipeline import load_pipeline
from services.scratch import use_scratch
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT

DEFAULT_FOLDER = ROOT / "demo-bench"


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure the pipeline: on real videos with known cuts, and its memory against length."""


@main.command("corpus")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), default=DEFAULT_FOLDER / "corpus")
def measure_corpus(folder: Path, work: Path) -> None:
    """Zip all videos of FOLDER under hostile names, run STEP1 to STEP7, compare the cuts with FOLDER/truth.json."""
    use_scratch(work)
    pipeline = load_pipeline()
    (work / "inbox").mkdir(parents=True)
    named = corpus.pack(corpus.corpus_files(folder), work / "inbox" / "Corpus.zip")
    reports = workflow.run(pipeline, workflow.RunRequest(), lambda line: click.echo(printable(line)))
    statuses = workflow.statuses(pipeline, ()).get("Corpus", [])
    rows = list(corpus.results(named, statuses, corpus.load_truth(folder)))
    header = ["file", "state", "cuts found", "false", "gradual found", "message"]
    cells = [
        [
            row.name,
            row.state,
            "" if row.cuts is None else f"{row.found}/{row.cuts}",
            "" if row.false is None else str(row.false),
            "" if row.gradual is None else f"{row.gradual_found}/{row.gradual}",
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


if __name__ == "__main__":
    main(prog_name="scripts/bench")
