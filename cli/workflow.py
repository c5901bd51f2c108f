"""`scripts/workflow`: run the pipeline and see what became of it."""

from __future__ import annotations

import sys

import click

from cli import gpu, runs, worker
from cli.export import export
from cli.models import models
from cli.run_tables import active_lines, dry_run_lines
from cli.sentences import SentenceGroup
from cli.tables import figure_lines, gate_lines, report_lines, status_lines, table
from services import asking, configuration, doctor, planning, preflight, workflow
from services.pipeline import Pipeline, load_pipeline
from services.reports import exit_code
from services.runs import RunOptions
from services.worker import start_detached
from workflow_scripts.common.devices import DEVICES
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.events import printable
from workflow_scripts.common.settings import load_dotenv

EXIT_CODES = """\b
Exit status: 0 all done; 1 something failed, the rest is kept; 2 wrong option or configuration;
3 something needed is missing; 130 cancelled."""


@click.group(cls=SentenceGroup, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Run the video analysis pipeline and see what became of it."""
    load_dotenv()


main.add_command(export)
main.add_command(gpu.gpu)
main.add_command(models)
for command in (runs.cancel, runs.pause, runs.resume, runs.retry, runs.logs, runs.history, worker.worker):
    main.add_command(command)


@main.command()
@click.argument("projects", nargs=-1, metavar="[PROJECT]...")
@click.option("--steps", metavar="LIST", help="Which steps, in this order: 3, 3-5, 2,4 or STEP3 (default: all).")
@click.option(
    "--device", type=click.Choice(DEVICES), help="Where steps compute that can use a GPU (default: auto)."
)
@click.option("--force", is_flag=True, help="Do again what is up to date.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and why, and do nothing.")
@click.option(
    "--set",
    "parameters",
    multiple=True,
    metavar="STEP.NAME=VALUE",
    help="A parameter for this run, for example 3.threshold=0.4; may be given several times.",
)
@click.option("--priority", type=int, default=0, help="The larger, the sooner its turn (default: 0).")
@click.option("--detach", is_flag=True, help="Leave the run to the worker and return at once.")
def run(
    projects: tuple[str, ...],
    steps: str | None,
    device: str | None,
    force: bool,
    dry_run: bool,
    parameters: tuple[str, ...],
    priority: int,
    detach: bool,
) -> None:
    """Run steps over PROJECTs, by name or folder.

    Without a PROJECT: what lies in the inbox is made into projects, then all projects are worked on. What is up
    to date is not done again. Where a worker runs, it does the work and this shows it; else this does it.
    """
    pipeline = load_pipeline()
    chosen = workflow.find_projects(projects)
    options = RunOptions(force, device, given_parameters(pipeline, parameters))
    origin = runs.DETACHED if detach else workflow.FROM_SHELL
    request = workflow.request_of(pipeline, chosen, steps, options, origin=origin, priority=priority)
    if dry_run:
        _show([*preflight.notes(pipeline, request), *dry_run_lines(planning.dry_run(pipeline, request))])
    elif detach:
        _show(preflight.notes(pipeline, request))
        with runs.opened() as store:
            detail = asking.create(pipeline, store, request)
        _show([f"Run {detail.run.id} is left to {start_detached()}."])
    else:
        reports = workflow.run(pipeline, request, lambda line: click.echo(printable(line)))
        statuses = workflow.statuses(pipeline, chosen)
        _show(status_lines(statuses))
        _show(["", *figure_lines(statuses, pipeline.steps), "", *report_lines(reports)])
        sys.exit(exit_code(reports))


@main.command()
@click.argument("projects", nargs=-1, metavar="[PROJECT]...")
@click.option("--gates", is_flag=True, help="Show every quality gate with its figure.")
def status(projects: tuple[str, ...], gates: bool) -> None:
    """Show what runs, every video's state in every step, and why it is not good where it is not."""
    pipeline = load_pipeline()
    statuses = workflow.statuses(pipeline, workflow.find_projects(projects))
    _show(active_lines())
    _show(status_lines(statuses))
    _show(["", *(gate_lines(statuses) if gates else figure_lines(statuses, pipeline.steps))])


@main.command()
def steps() -> None:
    """List the steps, what each needs, and where it runs."""
    rows = [
        [step.number, step.key, step.title, ", ".join(step.needs) or "-", step.environment, step.slot, step.script]
        for step in load_pipeline().steps
    ]
    _show(table(["no", "key", "title", "needs", "environment", "slot", "script"], rows))


@main.group()
def config() -> None:
    """See the configuration."""


@config.command("show")
def config_show() -> None:
    """Show every effective setting and where its value comes from."""
    rows = [
        [setting.owner, setting.name, "not set" if setting.value is None else str(setting.value), setting.origin]
        for setting in configuration.effective_settings(load_pipeline())
    ]
    _show(table(["owner", "setting", "value", "origin"], rows))


@main.command("doctor")
def examine() -> None:
    """Check tools, environments, models, token, GPU and disk: a line each, with what to do."""
    findings = doctor.examine(load_pipeline())
    _show(table(["", "what", "found", "what to do"], [[f.verdict, f.what, f.text, f.remedy] for f in findings]))
    sys.exit(3 if any(finding.verdict == "problem" for finding in findings) else 0)


def given_parameters(pipeline: Pipeline, given: tuple[str, ...]) -> dict[str, dict[str, str]]:
    """The parameters of `--set` by step key and name.

    Raises:
        UsageError: one is not written as STEP.NAME=VALUE, or there is no such step.
    """
    found: dict[str, dict[str, str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        step, dot, parameter = name.partition(".")
        if not (equals and dot and step and parameter):
            raise UsageError(f"--set {text}: write STEP.NAME=VALUE, for example 3.threshold=0.4.")
        for definition in pipeline.select(step):
            found.setdefault(definition.key, {})[parameter.replace("-", "_")] = value
    return found


def _show(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)


if __name__ == "__main__":
    main(prog_name="scripts/workflow")
