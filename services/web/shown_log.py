"""What a step printed, as it may be shown: without anything that steers a terminal."""

from __future__ import annotations

import re

from workflow_scripts.common.events import printable

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")


def shown(text: str) -> str:
    """A text with its lines and tabs; colours and movements are dropped, other control characters escaped."""
    plain = _LINE_ENDS.sub("\n", _ANSI.sub("", text))
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in plain.split("\n"))
