"""Tables and sentences for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from services.pipeline import StepDefinition
from services.reports import StepReport
from services.status import VideoStatus
from workflow_scripts.common.events import about, printable
from workflow_scripts.common.manifest import Gate

#: What a state looks like in a narrow column.
MARKS = {
    "succeeded": "ok",
    "degraded": "DEGRADED",
    "failed": "FAILED",
    "outdated": "outdated",
    "pending": "-",
}


#: Longer names of videos are shortened in the middle.
_LONGEST_NAME = 60


def shortened(name: str) -> str:
    """A name that fits into a table."""
    half = _LONGEST_NAME // 2
    return name if len(name) <= _LONGEST_NAME else f"{name[:half]}…{name[-half + 1 :]}"


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
        rows = [[shortened(row.video.name), *(MARKS[row.steps[key].state] for key in keys)] for row in videos]
        lines += [f"  {line}" for line in table(["video", *keys], rows)]
        lines += [
            printable(f"  {key} {status.state}: {about(row.video.name, status.message)}")
            for row in videos
            for key, status in row.steps.items()
            if status.message
        ]
    return lines or ["There are no projects yet: put a zip of videos into the inbox and run scripts/workflow run."]


def figure_lines(statuses: Mapping[str, Sequence[VideoStatus]], steps: Sequence[StepDefinition]) -> list[str]:
    """Per project and video the figures that the graph names, and how many quality gates it passed."""
    columns = [(step.key, figure) for step in steps for figure in step.figures]
    header = ["video", *(figure.replace("_", " ") for _, figure in columns), "gates"]
    rows = []
    for videos in statuses.values():
        for row in videos:
            counts = {key: status.manifest.counts for key, status in row.steps.items() if status.manifest}
            cells = [_figure(figure, counts.get(key, {}).get(figure)) for key, figure in columns]
            passed = [gate.passed for _, gate in gates_of(row) if gate.passed is not None]
            rows.append([shortened(row.video.name), *cells, f"{sum(passed)} of {len(passed)}"])
    return table(header, rows) if rows else []


def gate_lines(statuses: Mapping[str, Sequence[VideoStatus]]) -> list[str]:
    """Every quality gate of every video: its figure, what it must be, whether it is."""
    verdicts = {True: "passed", False: "FAILED", None: ""}
    rows = [
        [
            shortened(row.video.name),
            key,
            gate.name,
            "-" if gate.value is None else f"{gate.value:g}",
            gate.limit,
            verdict,
        ]
        for videos in statuses.values()
        for row in videos
        for key, gate in gates_of(row)
        for verdict in (verdicts[gate.passed],)
    ]
    return table(["video", "step", "gate", "figure", "must be", "verdict"], rows)


def gates_of(row: VideoStatus) -> list[tuple[str, Gate]]:
    """The quality gates of a video with the steps they belong to."""
    return [(key, gate) for key, status in row.steps.items() if status.manifest for gate in status.manifest.gates]


def _figure(name: str, value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.1%}" if name.endswith("_share") and isinstance(value, float) else str(value)


def report_lines(reports: Sequence[StepReport]) -> list[str]:
    """What each step of a run took and how it ended; with the project where there are several."""
    several = len({report.project for report in reports if report.project is not None}) > 1
    rows = []
    for report in sorted(reports, key=lambda one: (one.step.number, one.project or "")):
        ended = {0: "done", 1: "not all done", 2: "wrong configuration", 3: "could not start", 130: "cancelled"}
        how = "not started" if report.exit_code is None else ended.get(report.exit_code, "failed")
        how += f" ({report.reason})" if report.reason not in ("", how) else ""
        project = [shortened(report.project or "")] if several else []
        rows.append([report.step.key, *project, report.step.title, f"{report.seconds:.1f}", how])
    return table(["step", *(["project"] if several else []), "", "seconds", "result"], rows)
