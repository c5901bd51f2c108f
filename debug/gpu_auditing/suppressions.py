"""`# gpu-audit: ignore[GPU010] why`: what a person has looked at and wants to keep."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from debug.gpu_auditing.findings import RULES, Finding
from debug.gpu_auditing.names import Module

_COMMENT = re.compile(r"#\s*gpu-audit:\s*ignore\[(?P<rules>[^\]]*)\](?P<reason>.*)")
#: What says something about suppressions cannot be suppressed.
_ALWAYS = ("GPU000", "GPU090", "GPU091")


@dataclass(frozen=True)
class Suppression:
    """A comment: the lines it holds for, its rules and its reason."""

    line: int
    column: int
    lines: range
    rules: tuple[str, ...]
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Whether it is about a finding; without a reason it is about none."""
        touches = self.lines.start <= max(finding.end_line, finding.line) and finding.line < self.lines.stop
        return bool(self.reason) and touches and finding.rule in self.rules and finding.rule not in _ALWAYS


def apply(module: Module, findings: Sequence[Finding]) -> list[Finding]:
    """The findings that are left, and what is wrong with the suppressions themselves."""
    comments = list(_comments(module)) if "gpu-audit" in module.text else []
    left = [finding for finding in findings if not any(one.covers(finding) for one in comments)]
    for one in comments:
        place = (module.path, one.line, one.column)
        code = module.lines[one.line - 1].strip()
        if not one.reason:
            left.append(Finding(*place, "GPU090", "Say why after the bracket.", one.line, code))
            continue
        idle = [
            rule
            for rule in one.rules
            if not any(one.covers(finding) and finding.rule == rule for finding in findings)
        ]
        for rule in idle or ([] if one.rules else [""]):
            text = f"{rule} is not broken here." if rule in RULES else f"There is no rule {rule or 'in it'}."
            left.append(Finding(*place, "GPU091", text, one.line, code))
    return left


def _comments(module: Module) -> Iterator[Suppression]:
    """The suppressions of a file: at the end of a line for it, on a line of their own for the next one."""
    for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
        match = _COMMENT.search(token.string) if token.type == tokenize.COMMENT else None
        if match is None:
            continue
        line, column = token.start
        alone = not token.line[:column].strip()
        rules = tuple(rule.strip() for rule in match["rules"].split(",") if rule.strip())
        reason = match["reason"].strip(" -:–—")
        yield Suppression(line, column + 1, range(line, line + (2 if alone else 1)), rules, reason)
