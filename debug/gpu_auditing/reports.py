"""Findings as text, as JSON, and as SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from debug.gpu_auditing.findings import RULES, Finding
from workflow_scripts.common.events import printable

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def text(findings: Sequence[Finding]) -> str:
    """A line per finding: `path:line:column: RULE message`, and `[--fix]` where that mends it."""
    lines = [
        printable(f"{one.path}:{one.line}:{one.column}: {one.rule} {one.message}{' [--fix]' if one.edit else ''}")
        for one in findings
    ]
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """One object: a list of findings."""
    rows = [
        {
            "path": printable(one.path),
            "line": one.line,
            "column": one.column,
            "rule": one.rule,
            "message": one.message,
            "fixable": one.edit is not None,
        }
        for one in findings
    ]
    return json.dumps({"findings": rows}, indent=1)


def sarif(findings: Sequence[Finding]) -> str:
    """One run of SARIF 2.1.0, as code hosts and editors read it."""
    order = list(RULES)
    rules = [{"id": rule, "shortDescription": {"text": sentence}} for rule, sentence in RULES.items()]
    results = [_result(one, order.index(one.rule)) for one in findings]
    driver = {"name": "gpu_audit", "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1)


def _result(finding: Finding, index: int) -> dict[str, Any]:
    address = quote(finding.path.encode("utf-8", "surrogateescape"))
    place = {
        "artifactLocation": {"uri": address},
        "region": {"startLine": finding.line, "startColumn": finding.column},
    }
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": place}],
    }
