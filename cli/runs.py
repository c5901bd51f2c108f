"""`scripts/workflow cancel|pause|resume|retry|logs|history`: what people do with runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

import click

from cli.run_tables import history_lines, run_lines
from cli.tables import report_lines
from services import asking, workflow
from services.database import Database
from services.pipeline import load_pipeline
from services.reports import exit_code, reports_of
from services.runs import RunDetail, Runs
from services.worker import start_detached
from services.worker_lock import holder
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.events import printable

#: Where runs come from that a person in a terminal leaves to the worker.
DETACHED = "shell, detached"


@contextmanager
def opened() -> Iterator[Runs]:
    """The store."""
    with closing(Database()) as database:
        yield Runs(database)


@click.command()
@click.argument("run", type=int)
def cancel(run: int) -> None:
    """End RUN: what works is ended, what waits is not begun, what was finished is kept."""
    with opened() as runs:
        detail = runs.cancel(run)
        if detail.run.active and holder() is None:  # nobody is there to end what still runs
            start_detached()
        _tell(detail)


@click.command()
@click.argument("run", type=int)
def pause(run: int) -> None:
    """Hold RUN: what works stands still where it is (its memory stays taken), nothing more is begun."""
    with opened() as runs:
        _tell(runs.pause(run))


@click.command()
@click.argument("run", type=int)
def resume(run: int) -> None:
    """Let RUN go on."""
    with opened() as runs:
        _tell(runs.resume(run))


@click.command()
@click.argument("run", type=int)
@click.option("--detach", is_flag=True, help="Leave it to the worker and return at once.")
def retry(run: int, detach: bool) -> None:
    """Do again, as a new run, what of RUN failed, was cancelled or was not begun."""
    pipeline = load_pipeline()
    with opened() as runs:
        detail = asking.retry(pipeline, runs, run, DETACHED if detach else workflow.FROM_SHELL)
    if detach:
        click.echo(f"Run {detail.run.id} is left to {start_detached()}.")
        return
    reports = workflow.see_through(pipeline, detail.run.id, lambda line: click.echo(printable(line)))
    for line in report_lines(reports):
        click.echo(line)
    sys.exit(exit_code(reports))


@click.command()
@click.argument("run", type=int)
@click.option("--step", metavar="STEP", help="Only this step, for example 3.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the run is over.")
def logs(run: int, step: str | None, follow: bool) -> None:
    """Show what the steps of RUN printed."""
    pipeline = load_pipeline()
    if follow:
        workflow.follow(pipeline, run, lambda line: click.echo(printable(line)))
        return
    keys = [definition.key for definition in pipeline.select(step)]
    with opened() as runs:
        found = [one for one in runs.show(run).steps if one.step in keys and one.log_path]
    if not found:
        raise UsageError(f"Run {run} has no log{f' of {step}' if step else ''} yet.")
    for one in found:
        click.echo(printable(f"{one.planned}"))
        workflow.show_log(one, lambda line: click.echo(printable(f"  {line}")))


@click.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=20, help="How many at most (default: 20).")
@click.option("--run", "number", type=int, help="One run, with its steps.")
def history(limit: int, number: int | None) -> None:
    """Show the last runs, newest first."""
    with opened() as runs:
        if number is None:
            lines = history_lines(runs.page(limit=limit).runs)
        else:
            detail = runs.show(number)
            lines = [*run_lines(detail.run, detail.steps), "", *report_lines(reports_of(load_pipeline(), detail))]
    for line in lines:
        click.echo(line)


def _tell(detail: RunDetail) -> None:
    for line in run_lines(detail.run, detail.steps):
        click.echo(line)
