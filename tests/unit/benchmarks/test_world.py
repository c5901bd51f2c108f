"""The world that pages are measured in holds what steps and the worker leave."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import pairwise

from benchmarks.pages import parts_of
from benchmarks.world.projects import STEPS, make_projects
from benchmarks.world.runs import make_runs
from services.database import Database
from services.runs import Runs
from services.status import project_status
from workflow_scripts.common.artifacts.audio import read_audio
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.tracking import read_tracking
from workflow_scripts.common.media_info import read_media
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import projects_in


def test_a_made_world_is_one_that_the_product_reads() -> None:
    made = make_projects(12, 2, lengths=(8,))
    make_runs(made, 30)
    found = [status for project in projects_in(projects_folder()) for status in project_status(project, STEPS)]
    states = Counter(step.state for status in found for step in status.steps.values())
    assert len(found) == 24 and states["succeeded"] > 60 and states["pending"] and states["failed"]
    done = next(status.video for status in found if status.steps["STEP7"].state == "succeeded")
    frames = read_media(done.workflow / "media.json").frames
    assert read_scenes(done.delivered(".csv"))[-1].end == frames == 200
    assert len(read_audio(done.delivered("_audio.json")).frames) == frames
    assert len(read_audio(done.workflow / "audio.raw.json.gz").frames) == frames
    assert sum(1 for _ in read_tracking(done.delivered("_tracking.json")).frames()) == frames
    with closing(Database()) as database:
        runs = Runs(database)
        listed = runs.page(limit=100).runs
        assert len(listed) == 30 and not any(run.active for run in listed)
        assert {run.state for run in listed} >= {"succeeded", "degraded"}
        assert all(later.created >= earlier.created for later, earlier in pairwise(listed))


def test_the_parts_of_a_page_are_found_with_what_they_wait_for() -> None:
    page = (
        '<div id="a" hx-get="/parts/a?x=1&amp;y=2" hx-trigger="sse:run throttle:2s, sse:fresh"></div>'
        '<p hx-trigger="sse:step throttle:700ms, refresh" class="b" hx-get="/parts/b"></p>'
        '<form hx-get="/parts/c" hx-trigger="change"></form>'
    )
    first, second = parts_of(page)
    assert (first.address, first.pauses) == ("/parts/a?x=1&y=2", {"run": 2.0, "fresh": 0.0})
    assert second.address == "/parts/b" and second.pauses["video"] == 1.0
    assert not second.is_due("progress", 0.0) and second.is_due("step", 0.0)
