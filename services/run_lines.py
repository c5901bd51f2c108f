"""Runs as lines of a list, and what the steps of those that are at work have warned of so far."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.database import Database
from services.run_view import project_link
from services.runs import Run, RunFilter, Runs, StepRun
from services.states import ACTIVE
from workflow_scripts.common.events import printable

#: What a step warns of that goes on with the CPU (workflow_scripts/common/run.py).
_ON_WITH_CPU = re.compile(r"(?:going on|start) with cpu \(")
#: States of a step run whose reason says why its run is not plainly good.
_GRAVE = ("failed", "interrupted", "degraded", "skipped")


@dataclass(frozen=True)
class RunLine:
    """One run: how its step runs stand, and the first reason why one is not good.

    `state` is the run's, or `paused` where all that is left is to pause. `ending` tells that it was cancelled and
    has not ended yet.
    """

    run: Run
    state: str
    counts: Mapping[str, int]
    reason: str
    ending: bool
    projects: tuple[tuple[str, str | None], ...]

    @property
    def ended(self) -> int:
        """Step runs in which nothing is left to do."""
        return self.total - sum(self.counts.get(state, 0) for state in ACTIVE)

    @property
    def total(self) -> int:
        """All step runs."""
        return sum(self.counts.values())

    @property
    def can_retry(self) -> bool:
        """Whether it is over and has left something undone."""
        undone = ("failed", "cancelled", "interrupted", "skipped")
        return not self.run.active and any(self.counts.get(state) for state in undone)


def run_lines(database: Database, runs: Runs, number: int) -> list[RunLine]:
    """The runs that are not over and the newest of the others, newest first: at least `number`, if there are."""
    active = runs.page(RunFilter(ACTIVE), limit=50).runs
    newest = runs.page(limit=number).runs
    found = sorted({run.id: run for run in (*active, *newest)}.values(), key=lambda run: -run.id)
    kept = [run for index, run in enumerate(found) if run.active or index < number]
    facts = _facts(database, [run.id for run in kept])
    return [_line(run, facts.get(run.id, {})) for run in kept]


@dataclass(frozen=True)
class _Fact:
    """The step runs of a run that are in one state."""

    count: int
    to_pause: int
    to_cancel: int
    reason: str


def _facts(database: Database, ids: Sequence[int]) -> dict[int, dict[str, _Fact]]:
    query = (
        "SELECT run_id, state, count(*), sum(pause_requested), sum(cancel_requested), max(reason) FROM step_runs"
        f" WHERE run_id IN ({', '.join('?' * len(ids))}) GROUP BY run_id, state"
    )
    found: dict[int, dict[str, _Fact]] = {}
    with database.read() as connection:
        for run_id, state, *fields in connection.execute(query, list(ids)):
            found.setdefault(run_id, {})[state] = _Fact(*fields)
    return found


def _line(run: Run, facts: Mapping[str, _Fact]) -> RunLine:
    active = [facts[state] for state in ACTIVE if state in facts]
    paused = bool(active) and all(fact.to_pause == fact.count for fact in active)
    return RunLine(
        run=run,
        state="paused" if paused else run.state,
        counts=Counter({state: fact.count for state, fact in facts.items()}),
        reason=next((facts[state].reason for state in _GRAVE if state in facts and facts[state].reason), ""),
        ending=any(fact.to_cancel for fact in active),
        projects=tuple((printable(name), project_link(name)) for name in run.request.projects),
    )


@dataclass(frozen=True)
class Warned:
    """What a step run has warned of: how often, the last few texts, newest first, and whether it left a GPU."""

    count: int = 0
    texts: tuple[str, ...] = ()
    on_cpu: bool = False

    def and_then(self, text: str, shown: int) -> Warned:
        """The same with one more warning."""
        return Warned(self.count + 1, (text, *self.texts)[:shown], self.on_cpu or bool(_ON_WITH_CPU.search(text)))


@dataclass
class WarningTally:
    """Counts the warnings of step runs at work, reading each event once; may be used from any thread."""

    shown: int = 5
    _read: dict[int, int] = field(default_factory=dict)
    _found: dict[int, Warned] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, database: Database, steps: Iterable[StepRun]) -> dict[int, Warned]:
        """The warnings of step runs, by their ids; of those that have given none, nothing.

        Give it all step runs of a run that is at work: what it reads of others is forgotten.
        """
        wanted = {step.id: step.run_id for step in steps}
        with self._lock:
            for run_id in sorted(set(wanted.values())):
                self._read_on(database, run_id)
            for run_id in self._read.keys() - set(wanted.values()):
                del self._read[run_id]
            self._found = {step: self._found[step] for step in wanted if step in self._found}
            return dict(self._found)

    def _read_on(self, database: Database, run_id: int) -> None:
        query = (
            "SELECT id, step_run_id, json_extract(data, '$.text') FROM events"
            " WHERE run_id = ? AND id > ? AND kind = 'warning' ORDER BY id"
        )
        with database.read() as connection:
            last = connection.execute("SELECT max(id) FROM events WHERE run_id = ?", (run_id,)).fetchone()[0]
            rows = connection.execute(query, (run_id, self._read.get(run_id, 0))).fetchall()
        for _, step, text in rows:
            before = self._found.get(step, Warned())
            self._found[step] = before.and_then(printable(str(text or "")), self.shown)
        self._read[run_id] = max(last or 0, *(row[0] for row in rows), 0)
