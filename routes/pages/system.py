"""The system page: the machine over time, who works on it, the environments, the doctor, the models."""

from __future__ import annotations

from dataclasses import dataclass

from apiflask import APIBlueprint
from flask import current_app, render_template, request
from flask_babel import gettext as _

from routes.context import context
from routes.pages.frame import notice, to_notices
from services import doctor, machine_work, system
from services.environment_facts import facts
from services.environment_jobs import EnvironmentJobs
from services.examination import Examination
from services.models_in_use import models_in_use
from services.step_facts import FACTS, StepFacts

blueprint = APIBlueprint("system_page", __name__, enable_openapi=False)
#: Where an application keeps what this page remembers.
_DESK = "system_page"


@dataclass(frozen=True)
class Desk:
    """What this page remembers between requests."""

    jobs: EnvironmentJobs
    examination: Examination
    facts: StepFacts


def desk() -> Desk:
    """That of the application that answers just now."""
    pipeline = context().pipeline
    made = current_app.extensions.get(_DESK)
    if made is None:
        examination = Examination(lambda: doctor.examine(pipeline))
        made = current_app.extensions.setdefault(_DESK, Desk(EnvironmentJobs(), examination, FACTS))
    found: Desk = made
    return found


@blueprint.get("/system")
def show_system() -> str:
    """The page; the doctor and the models follow, for they take longer."""
    now = system.look()
    return render_template("system/page.html", now=now, **_worker(), **_places(), **_environments())


@blueprint.get("/parts/system/worker")
def show_worker() -> str:
    """The worker."""
    return render_template("system/worker.html", **_worker())


@blueprint.get("/parts/system/places")
def show_places() -> str:
    """The slots and who has them."""
    return render_template("system/places.html", **_places())


@blueprint.get("/parts/system/setup")
def show_setup() -> str:
    """The making of an environment that goes on, or the last one."""
    return render_template("system/setup.html", job=desk().jobs.latest())


@blueprint.get("/parts/system/environments")
def show_environments() -> str:
    """The environments."""
    return render_template("system/environments.html", **_environments())


@blueprint.get("/parts/system/doctor")
def show_doctor() -> str:
    """The doctor's findings, at most some minutes old."""
    return render_template("system/doctor.html", examined=desk().examination.recent())


@blueprint.post("/system/doctor")
def examine_again() -> str:
    """The doctor's findings of now."""
    return render_template("system/doctor.html", examined=desk().examination.again())


@blueprint.get("/parts/system/models")
def show_models() -> str:
    """The models that the steps would use."""
    found = models_in_use(context().pipeline, desk().facts)
    return render_template("system/models.html", steps=found)


@blueprint.post("/system/worker/<any(start, stop, restart):action>")
def command_worker(action: str) -> str:
    """Start, end or replace the worker; steps that run go on."""
    {
        "start": machine_work.start_worker,
        "stop": machine_work.end_worker,
        "restart": machine_work.restart_worker,
    }[action]()
    return render_template("system/worker.html", **_worker())


@blueprint.post("/system/environments/<name>")
def make_environment(name: str) -> str:
    """Make or repair an environment; `anew` makes all of it again."""
    steps = {step.key: step.environment for step in context().pipeline.steps}
    busy = {steps[one.step] for one in context().runs.steps.running() if one.step in steps}
    job = desk().jobs.begin(name, anew=request.form.get("anew") == "yes", busy=busy)
    return render_template("system/setup.html", job=job)


@blueprint.post("/system/environments/stop")
def stop_making() -> object:
    """End the making of an environment; what is done stays."""
    if desk().jobs.stop() is None:
        return to_notices(notice("warn", _("Nothing is being made.")))
    return render_template("system/setup.html", job=desk().jobs.latest())


def _worker() -> dict[str, object]:
    return {"worker": machine_work.worker_state()}


def _places() -> dict[str, object]:
    running = context().runs.steps.running()
    return {"places": machine_work.places(running)}


def _environments() -> dict[str, object]:
    return {"environments": facts(context().pipeline.steps), "job": desk().jobs.latest()}
