"""`scripts/workflow models …`: the speech models of this machine."""

from __future__ import annotations

from pathlib import Path

import click

from cli.sentences import SentenceGroup
from cli.tables import table
from services import speech_models
from workflow_scripts.common.events import printable


@click.group(cls=SentenceGroup)
def models() -> None:
    """See, fetch and check the speech models for transcripts (STEP4B)."""


@models.command("list")
def list_models() -> None:
    """List the speech models: what there is to fetch, and what is here."""
    rows = [
        [one.name, f"{one.size / 1e6:.0f} MB", one.state, printable(one.problem or one.source)]
        for one in speech_models.models()
    ]
    for line in table(["model", "size", "state", "from"], rows):
        click.echo(line)


@models.command()
@click.argument("names", nargs=-1, required=True, metavar="MODEL...")
def fetch(names: tuple[str, ...]) -> None:
    """Fetch each MODEL from the hub, once; interrupted, the next call goes on where it was."""
    for name in names:
        if there := speech_models.here(name):
            click.echo(f"{name} is here already, in {printable(str(there))}.")
            continue
        with click.progressbar(length=1000, label=name) as bar:

            def show(done: int, total: int, bar: object = bar) -> None:
                bar.update(int(1000 * done / total) - bar.pos)  # type: ignore[attr-defined]

            folder = speech_models.fetch(name, show)
        click.echo(f"{name} is in {folder}; transcripts need no network from here on.")


@models.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
def verify(names: tuple[str, ...]) -> None:
    """Read each MODEL's files (default: of all that are here) and compare them with what was fetched."""
    here = [one.name for one in speech_models.models() if one.state in ("here", "damaged")]
    for name in names or here:
        click.echo(printable(speech_models.verify(name)))
    if not names and not here:
        click.echo("No speech model is here.")


@models.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", help="What to call it (default: as the folder).")
def import_model(folder: Path, name: str | None) -> None:
    """Copy a model from FOLDER, for a machine without network: fetched elsewhere, in CTranslate2's format."""
    target = speech_models.import_folder(folder, name)
    click.echo(f"The model is in {printable(str(target))}; give its name as STEP4B's parameter model.")
