"""How templates show figures, times and states."""

from __future__ import annotations

from datetime import datetime

from apiflask import APIFlask
from flask_babel import format_datetime, format_decimal
from markupsafe import Markup

from routes.context import context
from routes.pages.phrases import GATES, STATE_ICONS, STATES, STEPS, UNITS
from workflow_scripts.common.events import printable


def register(app: APIFlask) -> None:
    """Give the filters and functions to the templates of an application."""
    app.jinja_env.filters.update(
        duration=duration,
        gate_word=gate_word,
        number=number,
        printed=printable,
        share=share,
        size=size,
        state_word=state_word,
        step_title=step_title,
        when=when,
    )
    app.jinja_env.globals["state_icon"] = lambda state: STATE_ICONS.get(state, "dot")


def state_word(state: str) -> str:
    """The word for a state in the page's language."""
    return str(STATES.get(state, state))


def step_title(key: str) -> str:
    """What a step does, in the page's language."""
    known = {step.key: step.title for step in context().pipeline.steps}
    return str(STEPS.get(key, known.get(key, key)))


def gate_word(name: str) -> str:
    """The name of a quality gate in the page's language."""
    return str(GATES.get(name, name))


def duration(seconds: float | None) -> str:
    """Seconds as `0:42` or `1:02:03`; less than ten with a decimal: `4.2 s`."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{number(round(seconds, 1))} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def size(count: float | None) -> str:
    """Bytes in decimal units: `1.4 GB`."""
    if count is None:
        return "–"
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{number(round(value, 0 if value >= 10 or not unit else 1))} {UNITS[unit]}"


def share(part: float | None) -> str:
    """A share in percent: `42 %`; one decimal below ten."""
    if part is None:
        return "–"
    percent = 100 * part
    return f"{number(round(percent, 0 if abs(percent) >= 10 else 1))} %"


def number(value: float | None) -> str:
    """A number in the page's language; at most four decimals."""
    return "–" if value is None else format_decimal(value, format="#,##0.####")


def when(moment: datetime | str | None) -> str | Markup:
    """A moment as a `time` element, in UTC until the browser shows it in its own zone."""
    if not moment:
        return "–"
    known = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    text = format_datetime(known, "short")
    return Markup('<time datetime="{}">{} UTC</time>').format(known.isoformat(), text)
