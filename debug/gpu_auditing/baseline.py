"""The findings of a day that one wants to live with for now, in a file: only what is new counts then."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from debug.gpu_auditing.findings import Finding
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.errors import UsageError

_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """A finding as a baseline knows it: by the text of its line, for line numbers move."""

    path: str
    rule: str
    code: str

    @classmethod
    def of(cls, finding: Finding) -> Entry:
        """What a baseline keeps of a finding."""
        digest = hashlib.sha256(finding.code.encode("utf-8", "replace")).hexdigest()
        return cls(finding.path, finding.rule, digest[:16])


@dataclass(frozen=True)
class Compared:
    """What is not in the baseline, how many findings are, and which of its entries are not found any more."""

    new: tuple[Finding, ...]
    known: int
    stale: tuple[Entry, ...]


def write(path: Path, findings: Sequence[Finding]) -> None:
    """Write the baseline: every finding, as often as it is there."""
    counted = Counter(Entry.of(finding) for finding in findings)
    rows = [{**vars(entry), "count": count} for entry, count in sorted(counted.items(), key=lambda i: _order(i[0]))]
    with atomic_writer(path) as stream:
        json.dump({"version": _VERSION, "findings": rows}, stream, indent=1)
        stream.write("\n")


def compare(path: Path, findings: Sequence[Finding]) -> Compared:
    """Hold findings against the baseline in a file.

    Raises:
        UsageError: the file is missing, or no baseline.
    """
    left = _read(path)
    new = []
    for finding in findings:
        entry = Entry.of(finding)
        if left[entry] > 0:
            left[entry] -= 1
        else:
            new.append(finding)
    stale = sorted((entry for entry, count in left.items() if count > 0), key=_order)
    return Compared(tuple(new), len(findings) - len(new), tuple(stale))


def _read(path: Path) -> Counter[Entry]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["version"] != _VERSION:
            raise ValueError(f"version {data['version']}")
        found: Counter[Entry] = Counter()
        for row in data["findings"]:
            found[Entry(row["path"], row["rule"], row["code"])] += int(row["count"])
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path.name}: no baseline that can be read ({error}).") from error


def _order(entry: Entry) -> tuple[str, str, str]:
    return entry.path, entry.rule, entry.code
