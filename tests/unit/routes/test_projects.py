"""Projects, videos and files as programs see them, whatever they are called."""

from __future__ import annotations

import os
from typing import Any

from services.names import key_of
from workflow_scripts.common.events import printable
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import Video


def test_a_project_shows_the_state_of_every_video_in_every_step(
    client: Any, make_converted: Any, finish: Any
) -> None:
    video = make_converted("Été 1", "a.mp4")
    table = video.delivered(".csv")
    table.write_text("shots")
    gates = (Gate.at_least("shots", 1, 2),)
    finish(video, "STEP3", {"scenes": table}, state="degraded", counts={"shots": 1}, gates=gates)
    make_converted("Other", "b.mp4")
    listed = client.get("/api/projects").json
    assert (listed["total"], [project["name"] for project in listed["projects"]]) == (2, ["Other", "Été 1"])
    (shown,) = client.get("/api/projects/Été 1").json["videos"]
    states = {step: status["state"] for step, status in shown["steps"].items()}
    assert (states["STEP2"], states["STEP3"], states["STEP4"]) == ("succeeded", "degraded", "pending")
    figures = client.get(f"/api/projects/{listed['projects'][1]['key']}/videos/a.mp4").json["steps"]["STEP3"]
    assert figures["counts"] == {"shots": 1} and figures["message"] == "shots: 1, must be >= 2"
    assert figures["gates"] == [{"name": "shots", "value": 1.0, "limit": ">= 2", "passed": False}]


def test_projects_come_in_pages(client: Any, make_converted: Any) -> None:
    for name in "abc":
        make_converted(name, "a.mp4")
    page = client.get("/api/projects?offset=1&limit=1").json
    assert (page["total"], [project["key"] for project in page["projects"]]) == (3, ["b"])


def test_a_name_of_any_kind_goes_through_every_route(
    client: Any, finish: Any, hostile: str, hostile_video: Video
) -> None:
    table = hostile_video.delivered(".csv")
    table.write_text("shots")
    (project,) = client.get("/api/projects").json["projects"]
    assert project["name"] == printable(hostile) and project["key"].isascii()
    at = f"/api/projects/{project['key']}"
    (shown,) = client.get(at).json["videos"]
    assert client.get(f"{at}/videos").json["videos"] == [shown]
    assert client.get(f"{at}/videos/{shown['key']}").json["name"] == printable(f"{hostile}.mp4")
    answer = client.get(f"{at}/artifacts/docs/{key_of(table.name)}", buffered=True)
    assert (answer.status_code, answer.data, answer.mimetype) == (200, b"shots", "text/csv")
    saved = client.get(f"{at}/artifacts/docs/{shown['key']}", buffered=True)
    assert not any(sign in value for _, value in saved.headers for sign in "\n\r\x1b\u202e")
    if hostile.isascii():  # steps take no name that is no UTF-8
        finish(hostile_video, "STEP3", {"scenes": table})
        (left,) = client.get(f"{at}/artifacts").json["artifacts"]
        assert (left["step"], left["role"], left["size"], left["video"]) == ("STEP3", "scenes", 5, named(shown))
        assert client.get(left["url"], buffered=True).data == b"shots"


def named(shown: dict[str, Any]) -> dict[str, str]:
    """What a thing is called, without the rest."""
    return {name: shown[name] for name in ("key", "name")}


def test_a_plain_name_is_its_own_key(client: Any, make_converted: Any) -> None:
    make_converted("Émission – 12 mai", "a.mp4")
    assert client.get("/api/projects/Émission – 12 mai/videos/a.mp4").status_code == 200


def test_names_that_are_no_utf_8_are_told_apart(client: Any) -> None:
    for name in (b"caf\xe9", "café".encode(), b"caf~E9"):
        (projects_folder() / os.fsdecode(name) / "docs").mkdir(parents=True)
    keys = [project["key"] for project in client.get("/api/projects").json["projects"]]
    assert len(set(keys)) == 3
    assert all(client.get(f"/api/projects/{key}").json["key"] == key for key in keys)


def test_a_file_is_read_in_ranges(client: Any, make_converted: Any) -> None:
    video = make_converted("P", "a.mp4")
    content = video.path.read_bytes()
    at = "/api/projects/P/artifacts/docs/a.mp4"
    whole = client.get(at, buffered=True)
    part = client.get(at, headers={"Range": "bytes=4-10"}, buffered=True)
    assert (whole.data, whole.headers["Accept-Ranges"]) == (content, "bytes")
    assert (part.status_code, part.data) == (206, content[4:11])
    assert part.headers["Content-Range"] == f"bytes 4-10/{len(content)}"
    again = client.get(at, headers={"If-None-Match": whole.headers["ETag"]}, buffered=True)
    assert again.status_code == 304


def test_exports_are_among_the_files(client: Any, make_converted: Any) -> None:
    video = make_converted("P", "a.mp4")
    (video.root / "exports").mkdir()
    (video.root / "exports" / "a.edl").write_text("TITLE: a")
    found = client.get("/api/projects/P/artifacts").json["artifacts"]
    assert ("export", "exports/a.edl") in [(artifact["step"], artifact["key"]) for artifact in found]
    assert key_of("a.edl") == "a.edl"


def test_hidden_folders_are_no_projects(client: Any, make_converted: Any) -> None:
    make_converted(".partial", "a.mp4")
    assert client.get("/api/projects").json["total"] == 0
    assert client.get("/api/projects/.partial").status_code == 404
