"""An application of a test's own, asked without a network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from workflow_scripts.common.projects import Project, Video

if TYPE_CHECKING:
    from apiflask import APIFlask
    from flask.testing import FlaskClient

    from services.runs import Runs

MakeApp = Callable[..., "APIFlask"]

#: Names that a folder or file may have, as people and attackers give them.
HOSTILE = (
    "spaces at the end  ",
    "quotes \" ' ` and <b onclick=x>",
    "turned \u202egnp.4pm round",
    os.fsdecode(b"caf\xe9 no utf-8 \xff"),
    "n" * 149,
    "été – ünï – 映画",
    "100%25 ~41 %2e%2e ?a=b#c&d;e",
    "new\nline\ttab \x1b[31mred",
    "-dash.and..dots",
    "back\\slash",
)


@pytest.fixture
def make_app(data_folder: Path) -> Iterator[MakeApp]:
    """`make_app(token=…, …)`: an application with these settings; closed at the end."""
    from app import close_app, create_app
    from services.web.settings import WebSettings

    made = []

    def make(**settings: Any) -> APIFlask:
        made.append(create_app(WebSettings(**settings)))
        return made[-1]

    yield make
    for app in made:
        close_app(app)


@pytest.fixture
def app(make_app: MakeApp) -> APIFlask:
    """An application with the settings as they are by default."""
    return make_app()


@pytest.fixture
def client(app: APIFlask) -> FlaskClient:
    """What asks it."""
    return app.test_client()


@pytest.fixture
def runs(app: APIFlask) -> Runs:
    """The runs that it shows."""
    found: Runs = app.extensions["workflow"].runs
    return found


@pytest.fixture
def nothing_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are not asked whether what they need is there: that takes a process each."""
    monkeypatch.setattr("services.preflight.check", lambda pipeline, request: [])


@pytest.fixture
def hostile_video(data_folder: Path, hostile: str) -> Video:
    """A project with such a name, and in it a video with the same."""
    folder = data_folder / "projets_extraits" / hostile
    video = Video(Project(folder, folder / "docs"), f"{hostile}.mp4")
    video.path.parent.mkdir(parents=True)
    video.path.write_bytes(b"a picture")
    return video


@pytest.fixture(params=HOSTILE, ids=lambda name: os.fsencode(name)[:12].hex())
def hostile(request: pytest.FixtureRequest) -> str:
    """A name that somebody gave a file or folder."""
    return str(request.param)
