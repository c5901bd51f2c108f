"""Parameters of the steps and settings of the house: one table each, with a value's origin.

A value comes from, later wins: its default, the configuration file, `.env`, the environment, the command line.
"""

from __future__ import annotations

import argparse
import difflib
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import data_folder


@dataclass(frozen=True)
class Parameter:
    """One value that a person may set.

    Args:
        name: in files and, with dashes, on the command line.
        type: `int`, `float`, `bool`, `str` or `Path`.
        default: used when nobody says otherwise; None means "not set".
        help: one sentence with the unit.
        minimum, maximum: inclusive range of a number.
        choices: the allowed words of a text.
        env: name of the environment variable that sets it, if any.
        also: other variables that may set it instead; two that say different things are refused.
        special: words allowed beside a number, for example `auto`.
        affects_result: False for what changes only speed or place, so that changing it redoes nothing.
        secret: True for what is never shown or logged.
    """

    name: str
    type: type
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    env: str | None = None
    also: tuple[str, ...] = ()
    special: tuple[str, ...] = ()
    affects_result: bool = True
    secret: bool = False

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that set it, the usual one first."""
        return (*filter(None, (self.env,)), *self.also)

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = "".join(f"{word} or " for word in self.special)
        if self.type is bool:
            return words + "true or false"
        if self.type in (int, float):
            kind = "a whole number" if self.type is int else "a number"
            low = "" if self.minimum is None else f" from {self.minimum:.10g}"
            high = "" if self.maximum is None else f" to {self.maximum:.10g}"
            return words + kind + low + high
        return words + ("a path" if self.type is Path else "a text")

    def parse(self, value: Any, origin: str) -> Any:
        """The typed value of what was given as text or JSON.

        Raises:
            UsageError: the value is not allowed; the sentence names origin and allowed values.
        """
        if value is None or (self.type in (str, Path) and value == "" and self.default is None):
            return self.default
        if isinstance(value, str) and value in self.special:
            return value
        try:
            parsed = self._convert(value)
        except (ValueError, TypeError, KeyError, OverflowError, RuntimeError) as error:
            raise self._refusal(value, origin) from error
        in_range = (self.minimum is None or parsed >= self.minimum) and (
            self.maximum is None or parsed <= self.maximum
        )
        if not in_range or (self.choices and parsed not in self.choices):
            raise self._refusal(value, origin)
        return parsed

    def _convert(self, value: Any) -> Any:
        if self.type is bool:
            words = {"true": True, "1": True, "yes": True, "on": True}
            words |= {"false": False, "0": False, "no": False, "off": False}
            return value if isinstance(value, bool) else words[str(value).lower()]
        if isinstance(value, bool):
            raise TypeError("a truth value is no number")
        if self.type is int:
            return int(value) if isinstance(value, str) or value == int(value) else int("not whole")
        if self.type is float:
            number = float(value)
            if not math.isfinite(number):
                raise ValueError("not a finite number")
            return number
        if not isinstance(value, str):
            raise TypeError("not a text")
        return Path(value).expanduser().absolute() if self.type is Path else value

    def _refusal(self, value: Any, origin: str) -> UsageError:
        shown = "(hidden)" if self.secret else repr(value)
        return UsageError(f"{self.name} = {shown} ({origin}) is not allowed: it must be {self.allowed}.")


@dataclass(frozen=True)
class Setting:
    """A parameter's effective value and where it comes from."""

    parameter: Parameter
    value: Any
    origin: str

    @property
    def shown(self) -> Any:
        """The value as it may be shown and written to JSON."""
        if self.parameter.secret and self.value:
            return "(hidden)"
        return str(self.value) if isinstance(self.value, Path) else self.value


class Settings:
    """The effective values of a table of parameters, read as attributes: `settings.threshold`."""

    def __init__(self, settings: Sequence[Setting]) -> None:
        self._settings = {setting.parameter.name: setting for setting in settings}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_settings"][name].value
        except KeyError:
            raise AttributeError(name) from None

    def __iter__(self) -> Any:
        return iter(self._settings.values())

    def origin(self, name: str) -> str:
        """Where a value comes from."""
        return self._settings[name].origin

    def shown(self, name: str) -> Any:
        """A value as it may be shown."""
        return self._settings[name].shown

    def fingerprint(self) -> dict[str, Any]:
        """The values that affect the result."""
        return {s.parameter.name: s.shown for s in self if s.parameter.affects_result}

    def described(self) -> dict[str, dict[str, Any]]:
        """Every value with its origin, as the manifest holds them."""
        return {s.parameter.name: {"value": s.shown, "origin": s.origin} for s in self}


def resolve(table: Sequence[Parameter], config: Path | None, given: Mapping[str, Any]) -> Settings:
    """The effective values of a table.

    Args:
        table: the known parameters.
        config: a JSON file of values, or None; a file that does not exist is an error.
        given: values from the command line; None is not given.

    Raises:
        UsageError: an unknown name in the file, or a value that is not allowed.
    """
    from_file = read_config(config, table) if config is not None else {}
    settings = []
    for parameter in table:
        value, origin = parameter.default, "default"
        for source, where in (
            (from_file.get(parameter.name), f"{config.parent.name}/{config.name}" if config else ""),
            _from_environment(parameter),
            (given.get(parameter.name), f"command line {parameter.flag}"),
        ):
            if source is not None:
                value, origin = parameter.parse(source, where), where
        settings.append(Setting(parameter, value, origin))
    return Settings(settings)


#: What may stand before `=` in a `.env` file; other lines are comments.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: Names that `load_dotenv` put into the environment, so that an origin can be told.
_from_dotenv: set[str] = set()


def load_dotenv() -> None:
    """Put what the data folder's `.env` sets into the environment, where it is not set there already.

    A step that the controller started has been given all that it may see, and secrets of others are not among it.
    """
    if os.environ.get("WORKFLOW_STEP_RUN"):
        return
    for name, value in read_dotenv(data_folder() / ".env").items():
        if name not in os.environ:
            os.environ[name] = value
            _from_dotenv.add(name)


def _from_environment(parameter: Parameter) -> tuple[str | None, str]:
    """What the environment sets a parameter to, and the variable that does; empty ones do not."""
    said = [
        (os.environ[name], f"{'.env' if name in _from_dotenv else 'environment'} {name}")
        for name in parameter.variables
        if os.environ.get(name)
    ]
    if len({parameter.parse(value, origin) for value, origin in said}) > 1:
        what = " and ".join(f"{'(hidden)' if parameter.secret else repr(v)} ({origin})" for v, origin in said)
        raise UsageError(f"{parameter.name} cannot be {what} at once.", hint="Keep one of the variables.")
    return said[0] if said else (None, "")


def read_config(path: Path, table: Sequence[Parameter]) -> dict[str, Any]:
    """The values in a parameter file; null means "not set".

    Raises:
        UsageError: the file is missing, no JSON object, or holds a name that is not in the table.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: the parameter file cannot be read ({error}).") from error
    if not isinstance(data, dict):
        raise UsageError(f"{path.name}: the parameter file must hold one JSON object.")
    names = [parameter.name for parameter in table]
    for name in data:
        if name not in names:
            close = difflib.get_close_matches(name, names, 1)
            raise UsageError(
                f"{path.name}: there is no parameter {name!r}.",
                hint=f"Did you mean {close[0]!r}?" if close else f"Known are {', '.join(names)}.",
            )
    return data


def read_dotenv(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a `.env` file; comments, `export` and one pair of quotes are understood."""
    if not path.is_file():
        return {}
    values = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        name = name.strip()
        if not equals or not _NAME.fullmatch(name):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        values[name] = value
    return values


def add_options(parser: argparse.ArgumentParser, table: Sequence[Parameter]) -> None:
    """Give a command line one option per parameter; values stay text and are checked by `resolve`."""
    group = parser.add_argument_group("parameters of this step")
    for parameter in table:
        default = "not set" if parameter.default is None else parameter.default
        text = f"{parameter.help} ({parameter.allowed}; default: {default}"
        text += f"; environment: {', '.join(parameter.variables)})" if parameter.variables else ")"
        text = text.replace("%", "%%")
        if parameter.type is bool:  # takes no value, which could be meant as a target
            group.add_argument(
                parameter.flag, dest=parameter.name, action=argparse.BooleanOptionalAction, help=text
            )
        else:
            metavar = parameter.name.rpartition("_")[2].upper()
            group.add_argument(parameter.flag, dest=parameter.name, metavar=metavar, help=text)
