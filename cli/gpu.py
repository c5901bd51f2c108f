"""`scripts/workflow gpu check|watch`: which GPUs there are, what the policy says of them, what they are doing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from cli.sentences import SentenceGroup
from cli.tables import table
from services.gpu import Destination, Standing, Use, destinations, standing, uses
from services.gpu_trial import Trial, try_gpu
from services.pipeline import load_pipeline
from workflow_scripts.common.events import printable

#: From the upper left corner on, as a terminal understands it.
_CLEAR = "\x1b[H\x1b[2J"


@click.group(cls=SentenceGroup)
def gpu() -> None:
    """See which GPUs may be used, and what they are doing."""


@gpu.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(as_json: bool) -> None:
    """Hold the GPUs against config/gpu_policy.toml, say what each step would get, and try the chosen one.

    Exit status 1 where the tiny computation fails, 3 where the policy lets no step begin without a GPU.
    """
    now = standing()
    trial = try_gpu(now.choice.gpu) if now.choice.gpu else Trial("not tried", now.choice.why)
    found = destinations(load_pipeline().steps, now)
    if as_json:
        click.echo(json.dumps(_checked(now, found, trial), ensure_ascii=False, indent=1))
    else:
        _show(_check_lines(now, found, trial))
    refused = now.choice.gpu is None and now.policy.none_allowed == "refuse"
    sys.exit(1 if trial.verdict == "failed" else 3 if refused else 0)


@gpu.command("watch")
@click.option("--once", is_flag=True, help="Show it once and end.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object in a line each time.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two looks.",
)
def watch(once: bool, as_json: bool, interval: float) -> None:
    """Show load, memory, temperature and who holds each GPU until Ctrl-C."""
    try:
        while True:
            now = standing()
            found = uses(now)
            if as_json:
                click.echo(json.dumps({"gpus": [_described(use) for use in found], "trouble": now.found.trouble}))
            else:
                if not once and sys.stdout.isatty():
                    click.echo(_CLEAR, nl=False)
                _show(_watch_lines(now, found))
            if once:
                return
            time.sleep(interval)
    except KeyboardInterrupt:
        sys.exit(130)


def _check_lines(now: Standing, found: Sequence[Destination], trial: Trial) -> list[str]:
    policy = now.policy
    lines = [f"Policy: {policy.path}", f"  where none is allowed: {policy.none_allowed}", ""]
    rows = [
        ["may be used" if one.allowed else "no", str(one.gpu), one.objection.removeprefix("is ")]
        for one in now.rulings
    ]
    lines += table(["", "GPU", "why not"], rows) if rows else [now.choice.why]
    lines += [now.found.trouble] if rows and now.found.trouble else []
    steps = [[one.step, {"cuda": "GPU", "cpu": "CPU"}.get(one.device, "REFUSED"), one.text] for one in found]
    return [*lines, "", *table(["step", "on", "which, or why"], steps), "", f"Trial {trial.verdict}: {trial.text}"]


def _watch_lines(now: Standing, found: Sequence[Use]) -> list[str]:
    if not found:
        return [now.choice.why]
    header = ["no", "GPU", "policy", "load", "memory", "temperature", "held by", "processes"]
    return table(header, [_row(use) for use in found])


def _row(use: Use) -> list[str]:
    total = "-" if use.gpu.memory is None else f"{use.gpu.memory / 2**30:.1f} GB"
    used = "-" if use.memory_used is None else f"{use.memory_used / 2**30:.1f}"
    processes = [f"{pid} ({'?' if taken is None else f'{taken / 2**30:.1f}'} GB)" for pid, taken in use.processes]
    return [
        str(use.gpu.number),
        use.gpu.name,
        use.objection or "may be used",
        "-" if use.load is None else f"{use.load} %",
        f"{used} of {total}",
        "-" if use.temperature is None else f"{use.temperature} °C",
        str(use.holder) if use.holder else "nobody",
        ", ".join(processes) or "-",
    ]


def _checked(now: Standing, found: Sequence[Destination], trial: Trial) -> dict[str, Any]:
    return {
        "policy": {"path": printable(str(now.policy.path)), "none_allowed": now.policy.none_allowed},
        "state": now.choice.state,
        "chosen": now.choice.gpu.key if now.choice.gpu else None,
        "why": now.choice.why,
        "gpus": [{**vars(one.gpu), "allowed": one.allowed, "objection": one.objection} for one in now.rulings],
        "steps": [vars(one) for one in found],
        "trial": vars(trial),
    }


def _described(use: Use) -> dict[str, Any]:
    holder = use.holder
    return {
        **vars(use.gpu),
        "allowed": not use.objection,
        "objection": use.objection,
        "load": use.load,
        "memory_used": use.memory_used,
        "temperature": use.temperature,
        "processes": [{"pid": pid, "memory": taken} for pid, taken in use.processes],
        "holder": {"pid": holder.pid, "what": holder.what, "since": holder.since.isoformat()} if holder else None,
    }


def _show(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(printable(line))
