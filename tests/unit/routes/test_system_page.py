"""The system page: what it shows, and what it does."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from routes.pages import system as page
from routes.system import watch_of
from services.doctor import Finding
from services.environment_jobs import SetupJob
from services.environments import State, Status
from services.examination import Examination
from services.machine_log import GpuUse, Sample
from services.runs import PlannedStep, RunRequest
from services.step_facts import StepFacts
from services.system import Gpu
from services.worker_lock import WorkerLock
from workflow_scripts.common.errors import PreconditionError

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PART = {"HX-Request": "true"}


class Jobs:
    """Stands in for the making of environments."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool, set[str]]] = []
        self.job: SetupJob | None = None

    def latest(self) -> SetupJob | None:
        return self.job

    def begin(self, name: str, *, anew: bool, busy: set[str]) -> SetupJob:
        if name in busy:
            raise PreconditionError(f"A step runs in {name} just now.")
        self.asked.append((name, anew, busy))
        output = f"{name} 1/3 virtual environment … 2 s\n<b>pip</b>"
        began = datetime(2026, 1, 1, tzinfo=UTC)
        self.job = SetupJob(name, anew, began, True, False, "", 1, 3, 2.0, output, "Collecting numpy")
        return self.job

    def stop(self) -> SetupJob | None:
        return self.job


@pytest.fixture
def jobs(app: Any) -> Jobs:
    made = Jobs()
    examination = Examination(lambda: [Finding("disk", "problem", "1 GB free in <b>", "Make room.")])
    app.extensions["system_page"] = page.Desk(made, examination, StepFacts())  # type: ignore[arg-type]
    return made


def test_the_page_shows_the_machine_the_slots_and_every_environment(client: Any, jobs: Jobs) -> None:
    text = client.get("/system", headers=BROWSER).text
    for chart in ("cpu", "memory", "disk"):
        assert f'data-chart="{chart}"' in text
    assert re.search(r'class="figure"><strong data-value>[\d.,]+ %', text)
    for name in ("env", "transnet_env", "audio_env", "bench_env"):
        assert f'id="environment-{name}"' in text
    assert text.count(">free</td>") == 2
    assert "No worker" in text and 'hx-post="/system/worker/start"' in text


def test_every_gpu_has_charts_of_its_own(client: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [Gpu("GPU-a", "First", 8_000_000_000, 1_000_000_000, 30, 60), Gpu("GPU-b", "Second", 1, 0, None, None)]
    monkeypatch.setattr("services.system.look_at_gpus", lambda: gpus)
    text = client.get("/system", headers=BROWSER).text
    assert 'data-chart="load-GPU-a"' in text and "30 %" in text and "of 8 GB" in text
    assert 'data-chart="load-GPU-b"' in text


def test_a_worker_is_shown_with_what_can_be_done(client: Any, jobs: Jobs) -> None:
    with WorkerLock() as lock:
        lock.take("worker")
        text = client.get("/parts/system/worker").text
        assert "/system/worker/restart" in text and "/system/worker/stop" in text
        assert "/system/worker/start" not in text
    with WorkerLock() as lock:
        lock.take("run 3 <b>")
        text = client.get("/parts/system/worker").text
        assert "run 3 &lt;b&gt;" in text and "hx-post" not in text
        answer = client.post("/system/worker/stop", headers=PART)
        assert answer.status_code == 424 and "run 3 &lt;b&gt;" in answer.text


def test_a_slot_names_the_step_that_has_it(client: Any, jobs: Jobs, runs: Any, hostile: str) -> None:
    detail = runs.create(RunRequest(("STEP2",), (hostile,)), [PlannedStep("STEP2", hostile)])
    runs.steps.claim(detail.steps[0].id, owner="w", boot_id="b", slot="cpu", device="cpu")
    text = client.get("/parts/system/places").text
    assert f'<a href="/runs/{detail.run.id}">Convert videos</a>' in text and "<b onclick" not in text
    assert text.count(">free</td>") == 1


def test_an_environment_is_made_and_followed(client: Any, jobs: Jobs) -> None:
    text = client.post("/system/environments/transnet_env", headers=PART).text
    assert jobs.asked == [("transnet_env", False, set())]
    assert "1 of 3 stages done" in text and 'value="1"' in text and "Collecting numpy" in text
    assert "&lt;b&gt;pip&lt;/b&gt;" in text
    client.post("/system/environments/audio_env", data={"anew": "yes"}, headers=PART)
    assert jobs.asked[1] == ("audio_env", True, set())
    assert "Making audio_env" in client.get("/parts/system/setup").text


def test_what_an_environment_lacks_that_works_without_it_can_be_had(
    client: Any, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.environment_facts.absent", lambda one: [one] if one.name == "audio_env" else [])
    monkeypatch.setattr("services.environment_facts.state", lambda name, _root: State(name, Status.READY))
    text = client.get("/parts/system/environments").text
    assert text.count("Get what is missing") == 1
    assert re.search(r'id="make-audio_env".*Get what is missing', text)


def test_an_environment_that_a_step_runs_in_is_not_made(client: Any, jobs: Jobs, runs: Any) -> None:
    detail = runs.create(RunRequest(("STEP3",), ("p",)), [PlannedStep("STEP3", "p")])
    runs.steps.claim(detail.steps[0].id, owner="w", boot_id="b", slot="cpu", device="cpu")
    answer = client.post("/system/environments/transnet_env", headers=PART)
    assert answer.status_code == 424 and "A step runs in transnet_env" in answer.text
    assert client.post("/system/environments/audio_env", headers=PART).status_code == 200


def test_stopping_when_nothing_is_made_says_so(client: Any, jobs: Jobs) -> None:
    answer = client.post("/system/environments/stop", headers=PART)
    assert "Nothing is being made." in answer.text and answer.headers["HX-Retarget"] == "#notices"


def test_the_doctors_findings_say_what_to_do(client: Any, jobs: Jobs) -> None:
    text = client.get("/parts/system/doctor").text
    assert "1 problem" in text and "1 GB free in &lt;b&gt;" in text and "Make room." in text
    assert "1 problem" in client.post("/system/doctor", headers=PART).text


def test_models_are_listed_with_their_origin(client: Any) -> None:
    text = client.get("/parts/system/models").text
    assert "TransNetV2" in text and re.search(r'<code class="sha">[0-9a-f]{64}</code>', text)


def test_the_history_is_columns_of_one_length(client: Any, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    log = watch_of(app).log
    log.add(Sample(100.0, 0.25, 4e9, 1e11, {}))
    log.add(Sample(102.0, 0.75, 5e9, 1e11, {"GPU-a": GpuUse(None, 3e9)}))
    found = client.get("/api/system/history").json
    assert (found["time"], found["cpu"], found["memory"]) == ([100, 102], [0.25, 0.75], [4e9, 5e9])
    (gpu,) = found["gpus"]
    assert (gpu["load"], gpu["memory"]) == ([None, None], [None, 3e9])
    assert found["memory_total"] > 0 and found["disk_total"] > 0
    assert client.get("/api/system/history?since=100").json["time"] == [102]
    assert client.get("/api/system/history?span=day").json["time"] == []
    assert client.get("/api/system/history?span=week").status_code == 422
    assert client.get("/api/system/history?since=nan").json["time"] == []


@pytest.mark.parametrize("part", ["worker", "places", "setup", "environments", "doctor", "models"])
def test_every_part_stands_alone_in_both_languages(client: Any, jobs: Jobs, part: str) -> None:
    for language in ("en", "fr"):
        answer = client.get(f"/parts/system/{part}", headers={"Accept-Language": language})
        assert answer.status_code == 200 and "<html" not in answer.text
