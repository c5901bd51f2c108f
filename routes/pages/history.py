"""The history page: all runs of a period, those that somebody looks for, and what they tell together."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime
from typing import Any, get_args
from urllib.parse import urlencode

from apiflask import APIBlueprint
from flask import Response, render_template, request
from flask_babel import format_date, lazy_gettext
from flask_babel import gettext as _

from routes.context import context
from services import statistics
from services.configuration import general_settings
from services.names import key_of, name_of
from services.states import State
from services.statistics import Period, RunSearch
from workflow_scripts.common.errors import UsageError

blueprint = APIBlueprint("history_page", __name__, enable_openapi=False)

#: Days of the periods that the page offers.
RANGES = (7, 30, 90)
#: The states of a run that one can look for.
STATES: tuple[State, ...] = tuple(state for state in get_args(State) if state != "skipped")
#: Where runs are asked for, by origin.
ORIGINS = {
    "dashboard": lazy_gettext("Dashboard"),
    "api": lazy_gettext("API"),
    "shell": lazy_gettext("Shell"),
    "inbox": lazy_gettext("Inbox"),
}


@blueprint.get("/history")
def show_history() -> str:
    """The page."""
    values = {**_period_values(), **_figures(), **_runs()}
    return render_template("history/page.html", **values, words=_chart_words())


@blueprint.get("/parts/history/figures")
def show_figures() -> str:
    """The figures of the period."""
    return render_template("history/fresh.html", **_period_values(), **_figures())


@blueprint.get("/parts/history/runs")
def show_runs() -> Response:
    """The runs that are looked for; what somebody chose goes into the address of the page, for others to open."""
    response = Response(render_template("history/runs.html", **_period_values(), **_runs()))
    if request.headers.get("HX-Trigger") != "found":  # that is the list itself, fetched anew
        response.headers["HX-Push-Url"] = _address("/history")
    return response


@blueprint.get("/parts/history/charts")
def show_charts() -> dict[str, Any]:
    """What the charts of the period draw."""
    period, here = _period(), context()
    found = statistics.overview(here.database, period, here.video_steps)
    return {
        "days": [day.day.isoformat() for day in found.days],
        "runs": {state: [day.runs.get(state, 0) for day in found.days] for state in STATES},
        "stretches": [day.isoformat() for day in period.stretches],
        "quality": {step.step: _percents(step.shares) for step in found.quality},
        "work": _work(statistics.points(here.database, period)),
    }


def _percents(shares: tuple[float | None, ...]) -> list[float | None]:
    return [None if share is None else round(100 * share, 2) for share in shares]


def _work(points: list[statistics.Point]) -> list[dict[str, Any]]:
    """Points by step and device, in columns."""
    found: dict[tuple[str, str], list[statistics.Point]] = defaultdict(list)
    for point in points:
        found[point.step, point.device].append(point)
    return [
        {
            "step": step,
            "device": device,
            "length": [round(point.length, 2) for point in group],
            "seconds": [round(point.seconds, 2) for point in group],
            "run": [point.run_id for point in group],
        }
        for (step, device), group in sorted(found.items())
    ]


def _period_values() -> dict[str, Any]:
    return {
        "period": _period(),
        "ranges": RANGES,
        "days": None if "from" in request.args or "to" in request.args else _number("days", 30),
        "address": _address,
        "states": STATES,
        "day_word": lambda day: format_date(day, "medium"),
    }


def _figures() -> dict[str, Any]:
    here = context()
    return {
        "found": statistics.overview(here.database, _period(), here.video_steps),
        "oldest": statistics.oldest_run(here.database),
        "history_days": general_settings().history_days,
        "now": datetime.now().astimezone(),
    }


def _runs() -> dict[str, Any]:
    here, search = context(), _search()
    return {
        "listed": statistics.find_runs(here.database, _period(), search, _number("page", 1)),
        "search": search,
        "searching": search != RunSearch(),
        "steps": here.pipeline.steps,
        "origins": ORIGINS,
        "numbers": {step.key: step.number for step in here.pipeline.steps},
        "name_key": key_of,
        "projects": statistics.projects_of_runs(here.database),
    }


def _search() -> RunSearch:
    asked = request.args
    states = tuple(dict.fromkeys(state for word in asked.getlist("state") for state in word.split(",") if state))
    if unknown := [state for state in states if state not in STATES]:
        raise UsageError(_("There is no state %(state)s.", state=unknown[0]))
    step = asked.get("step") or None
    if step is not None and step not in {known.key for known in context().pipeline.steps}:
        raise UsageError(_("There is no step %(step)s.", step=step))
    return RunSearch(
        states=tuple(state for state in STATES if state in states),
        origin=asked.get("origin") or None,
        project=name_of(asked.get("project", "")),
        step=step,
        text=asked.get("q", "").strip(),
    )


def _period() -> Period:
    return statistics.period_of(date.today(), _number("days", 30), _day("from"), _day("to"))


def _day(name: str) -> date | None:
    text = request.args.get(name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError(_("%(text)s is no date; one is written like 2026-05-31.", text=text)) from None


def _number(name: str, default: int) -> int:
    text = request.args.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise UsageError(_("%(text)s is no whole number.", text=text))
    return int(text)


def _address(path: str, *without: str, **changes: object) -> str:
    """An address with what is asked for now, but for some of it; what is empty is left out."""
    asked = {name: request.args.getlist(name) for name in request.args if name not in without}
    asked |= {name.rstrip("_"): [str(value)] for name, value in changes.items()}
    pairs = [(name, value) for name, values in asked.items() for value in values if value]
    return f"{path}?{urlencode(pairs)}" if pairs else path


def _chart_words() -> dict[str, str]:
    """The texts of static/js/history*.js, which fills in the values."""
    return {
        "chart_runs": _("Runs for each day of the period, by state; the table below holds the same"),
        "chart_work": _("Time of work against length of the videos, one mark for each piece of work"),
        "chart_quality": _("Share of degraded videos over the period: %(step)s"),
        "axis_work": _("Time of work"),
        "axis_video": _("Length of the video"),
        "as_long": _("as long as the video"),
        "point": _("%(step)s, %(device)s: %(seconds)s of work for %(length)s of video (run %(run)s)"),
        "day": _("%(day)s: %(runs)s"),
        "no_run": _("no run"),
        "share": _("%(day)s: %(share)s degraded"),
        "no_video": _("no video"),
        "charts_failed": _("The charts could not be fetched; the tables hold the same."),
    }
