"""Runs of months, written through the real store by a clock that is moved."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.world.projects import FAILURES, NEEDS, POOR, STEPS, MadeProject, work_seconds
from services.database import NAME, Database
from services.runs import Clock, PlannedStep, RunDetail, RunOptions, RunRequest, Runs, StepRun
from services.states import State
from workflow_scripts.common.paths import data_folder

_SEQUENCES = (STEPS, ("STEP1", *STEPS), STEPS[1:4], ("STEP3",), ("STEP4",), ("STEP5",), ("STEP6", "STEP7"))
_WEIGHTS = (45, 10, 15, 8, 8, 6, 8)
_ORIGINS = ("dashboard", "dashboard", "dashboard", "shell", "inbox", "api")
Reports = list[tuple[str, Mapping[str, Any]]]


@dataclass
class MovedClock:
    """A clock that goes only when it is told to."""

    wall: datetime
    since_boot: float = 0.0

    @property
    def clock(self) -> Clock:
        """As the store takes it."""
        return Clock(lambda: self.wall, lambda: self.since_boot)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += timedelta(seconds=seconds)
        self.since_boot += seconds

    def go_to(self, moment: datetime) -> None:
        """Wait until then, if that is still to come."""
        self.advance(max(0.0, (moment - self.wall).total_seconds()))


def make_runs(projects: Sequence[MadeProject], count: int, days: int = 88, seed: int = 2) -> None:
    """Write so many runs, all over by now, into the store of the data folder, which must have none yet.

    They are written where nothing waits for a disk, and copied as a whole.
    """
    chance = random.Random(seed)
    begins = sorted(_working_hour(days, chance) for _ in range(count))
    fast = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(dir=fast) as folder:
        moved = MovedClock(begins[0])
        with closing(Database(Path(folder) / NAME)) as database:
            runs = Runs(database, moved.clock)
            for begin in begins:
                moved.go_to(begin)
                _Story(runs, moved, chance, chance.choice(projects)).tell()
            database.copy_to(data_folder() / NAME)


def _working_hour(days: int, chance: random.Random) -> datetime:
    """A moment of the last days, mostly on weekdays and by day, not later than six hours ago."""
    last = datetime.now(UTC) - timedelta(hours=6)
    while True:
        day = last - timedelta(days=chance.uniform(0, days))
        begin = day.replace(hour=chance.randint(7, 18), minute=chance.randint(0, 59))
        if begin < last and (begin.weekday() < 5 or chance.random() < 0.15):
            return begin


class _Story:
    """What happens in one run."""

    def __init__(self, runs: Runs, clock: MovedClock, chance: random.Random, project: MadeProject) -> None:
        self.runs, self.clock, self.chance, self.project = runs, clock, chance, project
        self.ended: dict[str, State] = {}

    def tell(self) -> RunDetail:
        """Ask for the run and bring it to its end."""
        sequence = self.chance.choices(_SEQUENCES, _WEIGHTS)[0]
        named = "STEP1" not in sequence
        request = RunRequest(
            sequence,
            (self.project.name,) if named else (),
            RunOptions(force=self.chance.random() < 0.1, device=self.chance.choice((None, None, None, "cpu"))),
            origin=self.chance.choice(_ORIGINS),
        )
        first = () if named else (PlannedStep("STEP1"),)
        later = [PlannedStep(step, self.project.name) for step in sequence if step != "STEP1"]
        made = self.runs.create(request, [*first, *later])
        fate = self.chance.random()
        for step in made.steps:
            if fate < 0.04 and step.position == len(made.steps) // 2:
                return self.runs.cancel(made.run.id)
            self._do(step)
        return made

    def _do(self, step: StepRun) -> None:
        lacks = [need for need in NEEDS.get(step.step, ()) if self.ended.get(need) in ("failed", "skipped")]
        self.clock.advance(self.chance.uniform(0.1, 1))
        if lacks:
            self.runs.steps.skip(step.id, f"{lacks[0]} of “{self.project.name}” failed.")
            self.ended[step.step] = "skipped"
            return
        device = "cuda" if step.step in ("STEP3", "STEP4") and self.chance.random() < 0.8 else "cpu"
        slot = "GPU-0" if device == "cuda" else "cpu"
        self.runs.steps.claim(step.id, owner="worker 1", boot_id="an earlier boot", slot=slot, device=device)
        begun = self.clock.since_boot
        reports, code = self._reports(step.step) if step.step != "STEP1" else (_extracted(), 0)
        self.runs.steps.book(step.id, 1000, reports)
        poor = any(data.get("state") == "degraded" for kind, data in reports if kind == "video")
        state: State = "failed" if code else "degraded" if poor else "succeeded"
        reason = "Some items failed; the others are done." if code else ""
        taken = self.clock.since_boot - begun
        self.runs.steps.finish(step.id, state, seconds=taken, exit_code=code, reason=reason)
        self.ended[step.step] = state

    def _reports(self, step: str) -> tuple[Reports, int]:
        """What a step tells, time passing meanwhile; and its exit status."""
        videos = self.project.videos
        reports: Reports = [("started", {"total": len(videos), "pending": len(videos), "device": "cpu"})]
        code = 0
        for name, length in videos:
            state, message = self._fate(step, name)
            code = max(code, int(state == "failed"))
            if state == "up to date":
                reports.append(("video", {"video": name, "state": state, "message": ""}))
                continue
            seconds = work_seconds(step, length, self.chance)
            self.clock.advance(seconds)
            ended = {"video": name, "state": state, "message": message, "seconds": round(seconds, 3)}
            reports.append(("video", {"video": name, "state": "running", "reason": "new"}))
            reports.append(("video", {**ended, "length": float(length)}))
        name, length = videos[-1]
        frames = 25 * length
        reports.append(("progress", {"done": frames, "total": frames, "unit": "frames", "video": name}))
        if self.chance.random() < 0.05:
            reports.append(("warning", {"video": name, "text": f"{name}: CUDA out of memory; going on with cpu"}))
        return [*reports, ("finished", {"states": {}, "exit_code": code})], code

    def _fate(self, step: str, video: str) -> tuple[str, str]:
        number = self.chance.random()
        if number < 0.008:
            return "failed", f"{video}: {' '.join(FAILURES[step])}".strip()
        if number < 0.03:
            gate = POOR[step]
            return "degraded", f"{gate.name}: {gate.value}, must be {gate.limit}"
        return ("up to date", "") if number < 0.15 else ("succeeded", "")


def _extracted() -> Reports:
    archive = {"video": "Archive.zip"}
    done = {**archive, "state": "succeeded", "message": "", "seconds": 1.2}
    return [("video", {**archive, "state": "running", "reason": "new"}), ("video", done)]
