"""Tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.foreground import StepReport
from services.status import VideoStatus
from workflow_scripts.common.events import printable

#: What a state looks like in a narrow column.
MARKS = {
    "succeeded": "ok",
    "degraded": "DEGRADED",
    "failed": "FAILED",
    "outdated": "outdated",
    "pending": "-",
}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with aligned columns; texts are made safe for a terminal."""
    safe = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[column]) for row in safe) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in safe]
    return [lines[0], "  ".join("-" * width for width in widths), *lines[1:]]


def status_lines(statuses: Mapping[str, Sequence[VideoStatus]]) -> list[str]:
    """Per project a matrix of videos and steps, and under it the reason for each state that is not good."""
    lines: list[str] = []
    for project, videos in statuses.items():
        lines += ["", f"Project {printable(project)}"]
        if not videos:
            lines.append("  no videos")
            continue
        keys = list(videos[0].steps)
        rows = [[row.video.name, *(MARKS[row.steps[key].state] for key in keys)] for row in videos]
        lines += [f"  {line}" for line in table(["video", *keys], rows)]
        lines += [
            printable(f"  {key} {status.state}: {row.video.name}: {status.message}")
            for row in videos
            for key, status in row.steps.items()
            if status.message
        ]
    return lines or ["There are no projects yet: put a zip of videos into the inbox and run scripts/workflow run."]


def report_lines(reports: Sequence[StepReport]) -> list[str]:
    """What each step of a run took and how it ended."""
    rows = []
    for report in sorted(reports, key=lambda one: one.step.number):
        ended = {0: "done", 1: "some failed", 2: "wrong configuration", 3: "could not start", 130: "cancelled"}
        how = "not started" if report.exit_code is None else ended.get(report.exit_code, "failed")
        how += f" ({report.reason})" if report.reason else ""
        rows.append([report.step.key, report.step.title, f"{report.seconds:.1f}", how])
    return table(["step", "", "seconds", "result"], rows)
