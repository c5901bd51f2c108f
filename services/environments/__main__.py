"""The command line of scripts/setup."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from services.environments import ROOT, find
from services.environments.build import Builder
from services.environments.nvidia import has_nvidia_gpu
from services.environments.relock import relock
from services.environments.spec import Configuration, Environment, load
from services.environments.state import notes, read_stamp
from services.environments.torch_build import setting
from workflow_scripts.common.errors import CancelledError, WorkflowError

FOLDERS = ("inbox", "projets_extraits", "logs")
NOT_READY = 3


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run scripts/setup; gives its exit status (0 done, 2 usage, 3 not ready or not possible, 130 stopped)."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        configuration = load(root)
        options = _parser(configuration).parse_args(arguments)
        if options.lock:
            relock(configuration, upgrade=options.upgrade)
            return 0
        chosen = [find(name, root) for name in options.names] or list(configuration.required)
        builder = Builder(configuration, torch=setting(configuration), gpu=has_nvidia_gpu())
        if options.check:
            return _check(builder, chosen, options.dev)
        return _make(builder, chosen, options.dev, options.force, root)
    except KeyboardInterrupt:
        return _fail(CancelledError("Stopped.", hint="Run scripts/setup again; it goes on where it stopped."))
    except WorkflowError as error:
        return _fail(error)
    except OSError as error:
        return _fail(WorkflowError(f"{error.filename or 'The system'}: {error.strerror}."))


def _make(builder: Builder, chosen: Sequence[Environment], dev: bool, force: bool, root: Path) -> int:
    for folder in FOLDERS:
        (root / folder).mkdir(exist_ok=True)
    for environment in chosen:
        start = time.monotonic()
        layers = environment.layers if dev else ()
        changed = builder.bring_up_to_date(environment, layers, force=force)
        took = f" after {time.monotonic() - start:.0f} s" if changed else ""
        print(f"{environment.name} ready{took}", flush=True)
    return 0


def _check(builder: Builder, chosen: Sequence[Environment], dev: bool) -> int:
    states = [builder.state(environment, environment.layers if dev else ()) for environment in chosen]
    for environment, state in zip(chosen, states, strict=True):
        stamp = read_stamp(environment)
        made = f"Python {stamp.python}" + (f", torch for {stamp.torch}" if stamp.torch else "") if stamp else ""
        print(f"{state.name:13} {state.status.value:10}  {state.reason or made}".rstrip())
        for note in notes(environment) if state.ready else ():
            print(f"{'':13} {'':10}  {note}")
    if all(state.ready for state in states):
        return 0
    names = " ".join(state.name for state in states if not state.ready)
    print(f"Run scripts/setup {names} to make ready what is not.")
    return NOT_READY


def _parser(configuration: Configuration) -> argparse.ArgumentParser:
    names = "\n".join(
        f"  {entry.name:13} {entry.purpose}{' (optional)' if entry.optional else ''}"
        for entry in configuration.environments
    )
    parser = argparse.ArgumentParser(
        prog="scripts/setup",
        description="Make the virtual environments, finish what was interrupted, or bring them up to date.\n"
        "What is ready is left alone. Without a name, all that are not optional:\n\n" + names,
        epilog="WORKFLOW_PYTHON names the Python to use; WORKFLOW_TORCH is auto, cpu or cuda.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="an environment")
    parser.add_argument("--dev", action="store_true", help="with what scripts/test and scripts/check need")
    parser.add_argument("--check", action="store_true", help="only tell: exit status 0 when all are ready, else 3")
    parser.add_argument("--force", action="store_true", help="make them anew, whatever is there")
    parser.add_argument("--lock", action="store_true", help="for developers: make config/envs/*.txt from *.in")
    parser.add_argument("--upgrade", action="store_true", help="with --lock: take the newest versions")
    return parser


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _fail(error: WorkflowError) -> int:
    print(f"scripts/setup: {error}", file=sys.stderr)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
