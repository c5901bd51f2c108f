"""Tables and sentences for a terminal."""

from __future__ import annotations

from typing import get_args

from cli.tables import MARKS, report_lines, status_lines, table
from services.pipeline import StepDefinition
from services.reports import StepReport
from services.status import State, StepStatus, VideoStatus
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Project, Video

HOSTILE = "a\n[2J\x1b[31m\u202e.mp4"


def step(number: str) -> StepDefinition:
    """A step of a graph."""
    return StepDefinition(f"STEP{number}", number, f"title {number}", "x.py", "env", (), "cpu")


def row(name: str, **steps: StepStatus) -> VideoStatus:
    """A video and its states."""
    return VideoStatus(Video(Project.at(ROOT), name), steps)


def test_columns_are_aligned_and_lines_have_no_trailing_space() -> None:
    assert table(["a", "long title"], [["wide cell", "x"], ["y", ""]]) == [
        "a          long title",
        "---------  ----------",
        "wide cell  x",
        "y",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert table(["a"], []) == ["a", "-"]


def test_a_cell_cannot_break_the_table() -> None:
    lines = table(["name"], [[HOSTILE]])
    assert len(lines) == 3 and "\x1b" not in "".join(lines) and "\u202e" not in "".join(lines)


def test_every_state_has_a_mark_of_its_own() -> None:
    assert set(MARKS) == set(get_args(State))
    assert len(set(MARKS.values())) == len(MARKS)


def test_states_are_a_matrix_with_the_reasons_under_it() -> None:
    lines = status_lines(
        {
            "P": [
                row("x.mp4", STEP2=StepStatus("succeeded"), STEP3=StepStatus("failed", "x.mp4: no.")),
                row("y.mp4", STEP2=StepStatus("degraded", "faces is 0.4"), STEP3=StepStatus("pending")),
            ],
            "empty": [],
        }
    )
    assert lines == [
        "",
        "Project P",
        "  video  STEP2     STEP3",
        "  -----  --------  ------",
        "  x.mp4  ok        FAILED",
        "  y.mp4  DEGRADED  -",
        "  STEP3 failed: x.mp4: no.",
        "  STEP2 degraded: y.mp4: faces is 0.4",
        "",
        "Project empty",
        "  no videos",
    ]


def test_a_name_cannot_forge_a_line_of_the_status() -> None:
    lines = status_lines({HOSTILE: [row(HOSTILE, STEP2=StepStatus("failed", HOSTILE))]})
    assert len(lines) == 6 and not any("\x1b" in line or "\n" in line for line in lines)


def test_without_projects_it_says_how_to_get_one() -> None:
    (line,) = status_lines({})
    assert "put a zip of videos into the inbox" in line


def test_reports_say_how_each_step_ended_in_the_order_of_the_steps() -> None:
    lines = report_lines(
        [
            StepReport(step("3"), None, 0.0, "STEP2 could not start"),
            StepReport(step("2"), 3, 0.25),
            StepReport(step("1"), 0, 12.34),
            StepReport(step("4"), -9, 1.0, "killed by signal 9"),
            StepReport(step("5"), 1, 1.0),
        ]
    )
    assert [line.split("  ")[-1].strip() for line in lines[2:]] == [
        "done",
        "could not start",
        "not started (STEP2 could not start)",
        "failed (killed by signal 9)",
        "not all done",
    ]
    assert "12.3" in lines[2]


def test_with_several_projects_reports_name_them() -> None:
    lines = report_lines(
        [StepReport(step("3"), 0, 1.0, "", "B"), StepReport(step("3"), 130, 2.0, "cancelled", "A")]
    )
    assert [line.split()[:2] for line in lines[2:]] == [["STEP3", "A"], ["STEP3", "B"]]
    assert lines[2].endswith("2.0      cancelled")
