"""Errors as sentences, for every command line here."""

from __future__ import annotations

from typing import Any

import click

from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable


class SentenceCommand(click.Command):
    """Shows errors that are meant for people as one sentence, with their exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except WorkflowError as error:
            click.echo(printable(str(error)), err=True)
            ctx.exit(error.exit_code)


class SentenceGroup(SentenceCommand, click.Group):
    """The same for a group of commands."""
