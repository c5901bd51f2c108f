"""`scripts/workflow worker start|stop|status`: the process that does the work in the background."""

from __future__ import annotations

import sys

import click

from cli.sentences import SentenceGroup
from services.worker import start_detached, stop_worker
from services.worker_lock import holder


@click.group(cls=SentenceGroup)
def worker() -> None:
    """Start, stop or look at the process that does the work in the background."""


@worker.command("start")
def start() -> None:
    """See that a worker runs."""
    click.echo(f"At work: {start_detached()}.")


@worker.command("stop")
def stop() -> None:
    """Ask the worker to end; steps that run go on, and the next worker takes them over."""
    found = stop_worker()
    click.echo(f"Ended: {found}." if found else "There is no worker.")


@worker.command("status")
def show() -> None:
    """Say who is at work; exit status 1 where nobody is."""
    found = holder()
    click.echo(f"At work: {found}." if found else "Nobody is at work.")
    sys.exit(0 if found else 1)
