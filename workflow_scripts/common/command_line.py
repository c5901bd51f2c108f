"""The command line every step has: the same options, log lines, exit codes."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from types import FrameType
from typing import Any

from workflow_scripts.common.devices import (
    DEVICES,
    choose_device,
    grant_gpu,
    prepare_environment,
    require_gpu,
    restrict_to,
)
from workflow_scripts.common.errors import ArtifactError, CancelledError, WorkflowError
from workflow_scripts.common.events import about, name_every_line, open_log, printable
from workflow_scripts.common.fresh_process import FreshProcesses, handed_on, in_fresh_process
from workflow_scripts.common.gpu_choice import Choice
from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.gpu_name import gpu_in_use
from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.common.media_info import read_media
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.run import Outcome, Plan, StepRun
from workflow_scripts.common.settings import Settings, add_options, load_dotenv, resolve
from workflow_scripts.common.side_by_side import side_by_side
from workflow_scripts.common.step import Item, ItemT, Step

#: How an item stands after work on it, well done or not.
_WORKED_ON = ("succeeded", "degraded", "failed")
_EXIT_CODES = """\
exit status: 0 all done; 1 something failed, the rest is kept; 2 wrong option or configuration;
3 something needed is missing, nothing was started; 130 cancelled
"""


def main(step: Step[ItemT], description: str, targets: str = "VIDEO|PROJECT|FOLDER") -> int:
    """Run a step from the command line and return its exit code.

    Args:
        step: the step.
        description: its help text.
        targets: what its positional arguments are, for the help text.
    """
    signal.signal(signal.SIGTERM, _cancel)
    try:
        load_dotenv()
        prepare_environment()
        arguments = _parser(step, description, targets).parse_args()
        given = {p.name: getattr(arguments, p.name) for p in step.parameters}
        params = resolve(step.parameters, arguments.config or config_folder() / step.config, given)
        if arguments.show_config:
            print(json.dumps({"step": step.key, "parameters": params.described()}, ensure_ascii=False, indent=1))
            return 0
        grant = grant_gpu()
        restrict_to(grant)
        step.check(params)
        if arguments.check:
            if step.uses_accelerator:
                require_gpu(step.device(params, arguments.device), grant)
            print(_told(step.models(params)) or "needs no model")
            return 0
        return _run(step, params, arguments, grant)
    except (CancelledError, KeyboardInterrupt):
        if not in_fresh_process():  # the process that started this one says it for all
            print("Cancelled; what was finished is kept.", file=sys.stderr)
        return CancelledError.exit_code
    except WorkflowError as error:
        print(printable(str(error)), file=sys.stderr)
        return error.exit_code
    except OSError as error:  # of what belongs to no item: the log, the events, the folder of projects
        where = f" ({error.filename})" if error.filename else ""
        print(printable(f"{step.key}: {error.strerror or error}{where}."), file=sys.stderr)
        return 1


def _cancel(_signal: int, _frame: FrameType | None) -> None:
    raise CancelledError("stopped by SIGTERM")


def _parser(step: Step[ItemT], description: str, targets: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{step.name}.py",
        description=description,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "targets", nargs="*", metavar=targets, help="what to work on (default: all that is pending)"
    )
    parser.add_argument("--config", type=Path, help=f"parameter file (default: config/{step.config})")
    if step.uses_accelerator:
        parser.add_argument(
            "--device", choices=DEVICES, help="where to compute (default: as the parameters say, else auto)"
        )
    parser.add_argument("--force", action="store_true", help="do again what is up to date")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done and why, and do nothing")
    parser.add_argument("--check", action="store_true", help="say whether what the step needs is there, and stop")
    parser.add_argument(
        "--show-config", action="store_true", help="print every effective parameter with its origin"
    )
    add_options(parser, step.parameters)
    return parser


def _told(models: Sequence[ModelRecord]) -> str:
    """The models of a step on one line, those of one source together."""
    groups = groupby(models, key=lambda model: model.source)
    return "; ".join(f"{', '.join(model.name for model in group)} ({source})" for source, group in groups)


def _run(step: Step[ItemT], params: Settings, arguments: argparse.Namespace, grant: Choice) -> int:
    told = handed_on()
    log, log_path = open_log(step.number, step.name, Path(told.log) if told and told.log else None)
    items = step.find(arguments.targets, params)
    if not arguments.dry_run:
        step.fetch(params, log)
    asked = step.device(params, getattr(arguments, "device", None))
    device, warning = ("cpu", None) if arguments.dry_run else choose_device(asked, grant)
    run = StepRun(
        step,
        params,
        (asked, device),
        log,
        force=arguments.force,
        processes=FreshProcesses(_fresh_arguments(step, arguments), str(log_path)),
        not_on_gpu=warning or "",
    )
    plans = [run.plan(item) for item in items]
    if arguments.dry_run:
        return _show(plans)
    pending = [plan for plan in plans if plan.reason is not None]
    if told and told.threads and items:
        name_every_line(log, items[0].name)
    if told is None:
        run.events.emit("started", total=len(plans), pending=len(pending), device=device, log=str(log_path))
        log.info("TOTAL_VIDEOS_TO_PROCESS: %d", len(pending))
        if pending and warning:
            log.warning(warning)
            run.events.emit("warning", text=warning)
        if pending and step.uses_accelerator:
            log.info("Device sélectionné: %s", device.upper())
    with _gpu(run, alone=told is None and bool(pending)):
        outcomes = _all(run, plans, run.at_once(len(pending)))
    return _conclude(run, outcomes, told is None)


@contextmanager
def _gpu(run: StepRun[ItemT], *, alone: bool) -> Iterator[None]:
    """Hold the GPU while the step works on it, waiting for who has it; a fresh process has it from its parent."""
    if not alone or run.device != "cuda":
        yield
        return

    def waits(sentence: str) -> None:
        run.log.warning(sentence)
        run.events.emit("warning", text=sentence)

    with hold_gpu(gpu_in_use(), run.step.key, on_wait=waits):
        yield


def _all(run: StepRun[ItemT], plans: Sequence[Plan[ItemT]], slots: int) -> list[Outcome]:
    """What becomes of every item; the outcomes are in the order in which they come."""
    outcomes: list[Outcome] = []

    def work(plan: Plan[ItemT]) -> None:
        outcomes.append(_one(run, plan))

    try:
        if slots > 1:
            side_by_side(work, plans, slots, run.processes.end)
        else:
            for plan in plans:
                work(plan)
    except (WorkflowError, KeyboardInterrupt) as error:
        if not in_fresh_process():
            states = Counter(outcome.state for outcome in outcomes)
            code = getattr(error, "exit_code", CancelledError.exit_code)
            run.events.emit("finished", states=dict(states), exit_code=code)
        raise
    finally:
        run.step.release()
    return outcomes


def _one(run: StepRun[ItemT], plan: Plan[ItemT]) -> Outcome:
    if in_fresh_process():  # the process that started this one says what becomes of the item
        return run.process(plan)
    if plan.reason is not None:
        run.log.info("PROCESSING_VIDEO: %s", plan.item.name)
        run.events.emit("video", video=plan.item.name, state="running", reason=plan.reason)
    begun = time.perf_counter()
    outcome = run.process(plan)
    figures = _figures(plan.item, time.perf_counter() - begun) if outcome.state in _WORKED_ON else {}
    run.events.emit("video", video=outcome.name, state=outcome.state, message=outcome.message, **figures)
    if outcome.state == "failed":
        run.log.error(about(outcome.name, outcome.message))
    elif outcome.state in ("degraded", "blocked"):
        run.log.warning("%s: %s", outcome.state, about(outcome.name, outcome.message))
    return outcome


def _figures(item: Item, seconds: float) -> dict[str, float]:
    """How long the work on an item took, and how long it is itself, in seconds; that only for a measured video."""
    found = {"seconds": round(seconds, 3)}
    if item.workflow is not None:
        with suppress(ArtifactError):
            found["length"] = round(float(read_media(item.workflow / "media.json").duration), 3)
    return found


def _conclude(run: StepRun[ItemT], outcomes: Sequence[Outcome], alone: bool) -> int:
    counted = Counter(outcome.state for outcome in outcomes)
    lost = counted["failed"] + counted["blocked"]
    tolerated = 0 < lost < len(outcomes) and run.step.partial_success_ok(run.params)
    code = 1 if lost and not tolerated else 0
    if alone:
        summary = ", ".join(f"{count} {state}" for state, count in sorted(counted.items())) or "nothing to do"
        run.log.info("%s: %s", run.step.key, summary)
        if tolerated:
            run.log.warning(
                "%s: partial success: %d of %d did not succeed, as said above; the exit status is 0 all the same.",
                run.step.key,
                lost,
                len(outcomes),
            )
        run.events.emit("finished", states=dict(counted), exit_code=code)
    return code


def _show(plans: Sequence[Plan[Any]]) -> int:
    for plan in plans:
        text = str(plan.obstacle) if plan.obstacle is not None else plan.reason or "up to date"
        print(printable(f"{plan.item.name}: {text}"))
    if not plans:
        print("nothing to do")
    return 0


def _fresh_arguments(step: Step[ItemT], arguments: argparse.Namespace) -> list[str]:
    """The options of this run, to repeat it for one item in a fresh process."""
    options = []
    if arguments.config is not None:
        options += ["--config", str(arguments.config)]
    if step.uses_accelerator and arguments.device is not None:
        options += ["--device", arguments.device]
    for parameter in step.parameters:
        value = getattr(arguments, parameter.name)
        if isinstance(value, bool):
            options.append(parameter.flag if value else parameter.flag.replace("--", "--no-", 1))
        elif value is not None:
            options.append(f"{parameter.flag}={value}")
    return options
