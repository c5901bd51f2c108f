"""`scripts/demo`: the whole pipeline on a sample whose truth is known."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli.sentences import SentenceCommand
from cli.tables import figure_lines, report_lines, status_lines, table
from services.demo import PROJECT, run_demo
from services.pipeline import load_pipeline
from workflow_scripts.common.events import printable
from workflow_scripts.common.settings import load_dotenv


@click.command(cls=SentenceCommand)
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
def main(folder: Path | None) -> None:
    """Make a sample project in FOLDER (default: demo/), run STEP1 to STEP7 on it, compare with the truth."""
    load_dotenv()
    report = run_demo(folder, lambda line: click.echo(printable(line)))
    rows = [[c.video, c.what, c.truth, c.found, "yes" if c.good else "NO"] for c in report.checks]
    lines = [
        *status_lines({PROJECT: report.videos}),
        "",
        *figure_lines({PROJECT: report.videos}, load_pipeline().steps),
        "",
        *table(["video", "what", "in the sample", "found", "right"], rows),
        "",
        "Delivered:",
        *(f"  {printable(str(path))}" for path in report.delivered),
        "",
        *report_lines(report.steps),
    ]
    for line in lines:
        click.echo(line)
    sys.exit(report.exit_code)


if __name__ == "__main__":
    main(prog_name="scripts/demo")
