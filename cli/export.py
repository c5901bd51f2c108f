"""`scripts/workflow export`: the shots as files that editing programs import."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from services.exports import FORMATS, Exported, export_videos
from workflow_scripts.common.errors import VideoError
from workflow_scripts.common.events import printable
from workflow_scripts.common.projects import find_videos


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--format",
    "names",
    type=click.Choice(list(FORMATS)),
    multiple=True,
    help="What to write; may be given several times (default: all).",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to (default: exports/ in each project).",
)
def export(targets: tuple[str, ...], names: tuple[str, ...], folder: Path | None) -> None:
    """Write the shots of TARGETs for editing programs.

    A TARGET is a video, a project (by name or folder) or a folder of them; without one: every video of every
    project. Every video must have a finished STEP3. A file that lies there with other content goes to replaced/.
    """
    videos = list(dict.fromkeys(video.converted for video in find_videos(targets)))
    formats = [FORMATS[name] for name in dict.fromkeys(names or FORMATS)]
    complete = 0
    for _, outcome in export_videos(videos, formats, folder.absolute() if folder else None):
        complete += _show(outcome)
    click.echo(f"{complete} of {len(videos)} videos exported." if videos else "There is no video to export yet.")
    sys.exit(0 if complete == len(videos) else 1)


def _show(outcome: Sequence[Exported] | VideoError) -> bool:
    """Say what became of one video; whether all of it was exported."""
    if isinstance(outcome, VideoError):
        click.echo(printable(str(outcome)), err=True)
        return False
    for file in outcome:
        for sentence in (*file.kept, file.problem):
            if sentence:
                click.echo(printable(sentence), err=True)
        if not file.problem:
            click.echo(printable(f"{file.path}{'' if file.written else ' (unchanged)'}"))
    return not any(file.problem for file in outcome)
