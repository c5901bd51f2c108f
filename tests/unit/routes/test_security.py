"""Who may ask what: hosts, other sites, tokens, paths, sizes, headers, on every route there is."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from apiflask import APIFlask
from werkzeug.test import TestResponse

from services.runs import PlannedStep, RunRequest, Runs

TOKEN = "a-token-that-nobody-guesses"
METHODS = ("POST", "PUT", "PATCH", "DELETE")
VALUES = {
    "action": "cancel",
    "artifact": "docs/a.mp4",
    "frame": 1,
    "kind": "txt",
    "name": "env",
    "owner": "STEP3",
    "project": "P",
    "run_id": 1,
    "step": "STEP3",
    "step_run": 1,
    "transcription": "20260101-000000-0123abcd",
    "upload": "u",
    "video": "a.mp4",
}


def addresses(app: APIFlask) -> list[str]:
    """The address of every route, static files and event streams included."""
    with app.test_request_context("/"):
        adapter = app.url_map.bind("localhost")
        found = []
        for rule in app.url_map.iter_rules():
            own = {"filename": "css/base.css", **({"action": "stop"} if "worker" in rule.rule else {})}
            values = {name: own.get(name) or VALUES[name] for name in rule.arguments}
            found.append(adapter.build(rule.endpoint, values, next(iter(rule.methods or ("GET",)))))
    return sorted(set(found))


def ask(client: Any, address: str, method: str = "GET", **more: Any) -> TestResponse:
    """An answer without its body, which may have no end."""
    answer = client.open(address, method=method, buffered=False, **more)
    answer.close()
    return answer


def content(database: Path) -> list[str]:
    """All that is in a database."""
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.1.7", "", "localhost@evil", "[::2]"]
)
def test_a_name_that_is_not_ours_is_refused_on_every_route(client: Any, app: APIFlask, host: str) -> None:
    for address in [*addresses(app), "/not-there"]:
        answer = ask(client, address, headers={"Host": host})
        assert (answer.status_code, address) == (403, address)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "cut.example"])
def test_this_machine_and_the_configured_names_are_answered(make_app: Any, host: str) -> None:
    client = make_app(names=frozenset({"cut.example"})).test_client()
    assert client.get("/health", headers={"Host": host}).status_code == 200


def cross_site_headers() -> Iterator[tuple[dict[str, str], bool]]:
    """Every combination of what a browser says about where a request comes from, and whether it is let pass."""
    own, other = "http://localhost", "http://evil.example"
    for site in (None, "none", "same-origin", "same-site", "cross-site", "nonsense"):
        for origin in (None, own, other, "null", "https://localhost.evil.example", "http://localhost:81"):
            said = {"Sec-Fetch-Site": site, "Origin": origin}
            good = site in (None, "none", "same-origin") and origin in (None, own)
            yield {name: value for name, value in said.items() if value is not None}, good


@pytest.mark.parametrize("method", METHODS)
def test_no_page_of_another_site_changes_anything(client: Any, app: APIFlask, method: str) -> None:
    app.view_functions = dict.fromkeys(app.view_functions, lambda **values: "done")  # no worker, no environment
    for address in addresses(app):
        for headers, good in cross_site_headers():
            status = ask(client, address, method, headers=headers).status_code
            assert (status != 403) == good, (method, address, headers)


def test_a_page_of_another_site_may_lead_here_but_not_read_or_hold_a_stream(client: Any) -> None:
    there = {"Sec-Fetch-Site": "cross-site"}
    assert ask(client, "/docs", headers={**there, "Sec-Fetch-Mode": "navigate"}).status_code == 200
    assert ask(client, "/api/events", headers={**there, "Sec-Fetch-Mode": "cors"}).status_code == 403


def test_no_get_changes_the_database(
    client: Any, app: APIFlask, runs: Runs, make_converted: Any, data_folder: Path
) -> None:
    make_converted("P", "a.mp4")
    runs.create(RunRequest(("STEP3",), ("P",)), [PlannedStep("STEP3", "P")])
    before = content(data_folder / "workflow.db")
    answers = {address: ask(client, address).status_code for address in addresses(app)}
    assert content(data_folder / "workflow.db") == before
    assert (
        answers["/api/runs/1"] == answers["/api/projects/P/artifacts/docs/a.mp4"] == answers["/api/events"] == 200
    )


def test_without_the_token_only_health_and_where_it_is_shown_are_open(make_app: Any) -> None:
    app = make_app(token=TOKEN)
    client = app.test_client()
    found = {address: ask(client, address).status_code for address in addresses(app)}
    open_ones = {address.partition("?")[0] for address, status in found.items() if status != 401}
    assert open_ones == {"/health", "/api/session", "/enter", "/static/css/base.css"}


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_the_token_lets_in_by_header_and_by_cookie(make_app: Any, host: str) -> None:
    client = make_app(host=host, token=TOKEN).test_client()
    assert client.get("/api/runs", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/api/runs").status_code == 401
    begun = client.post("/api/session", json={"token": TOKEN})
    cookie = begun.headers["Set-Cookie"]
    assert "SameSite=Strict" in cookie and "HttpOnly" in cookie and TOKEN not in cookie
    assert client.get("/api/runs").status_code == 200
    client.delete("/api/session")
    assert client.get("/api/runs").status_code == 401


def test_a_link_with_the_token_is_answered_with_a_cookie_and_the_link_without_it(
    make_app: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_app(token=TOKEN).test_client()
    with caplog.at_level(logging.DEBUG):
        first = client.get(f"/api/runs?limit=3&token={TOKEN}&state=failed")
    assert (first.status_code, first.headers["Location"]) == (303, "/api/runs?limit=3&state=failed")
    assert client.get(first.headers["Location"]).status_code == 200
    assert TOKEN not in caplog.text + first.text + str(first.headers)


def test_a_link_with_the_token_never_leads_to_another_host(make_app: Any) -> None:
    client = make_app(token=TOKEN).test_client()
    found = client.get("//evil.example/..%5Cx", query_string={"token": TOKEN}, base_url="http://localhost")
    assert not found.headers.get("Location", "").startswith(("//", "http://evil", "/\\"))


def test_after_ten_wrong_tokens_nobody_at_that_address_is_heard(make_app: Any) -> None:
    client = make_app(token=TOKEN).test_client()
    wrong = [
        client.post("/api/session", json={"token": "wrong"}).status_code
        if number % 2
        else client.get("/api/runs", headers={"Authorization": "Bearer wrong"}).status_code
        for number in range(11)
    ]
    assert wrong == [401] * 10 + [429]
    late = client.get("/api/runs", headers={"Authorization": f"Bearer {TOKEN}"})
    assert (late.status_code, late.json["error"]["code"], late.headers["Retry-After"]) == (
        429,
        "too_many_tries",
        "60",
    )
    elsewhere = {"REMOTE_ADDR": "10.0.0.9"}
    good = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/runs", headers=good, environ_base=elsewhere).status_code == 200


ESCAPES = ["..", "%2e%2e", "..%2f..%2f..", "~2E~2E", "~2e~2e~2f", "%00", "a%00.mp4", "~00", ".", "%2e", "a~2Fb"]


@pytest.mark.parametrize("part", ESCAPES)
def test_no_path_leads_out_of_a_project(client: Any, make_converted: Any, data_folder: Path, part: str) -> None:
    make_converted("P", "a.mp4")
    (data_folder / "secret.txt").write_text("secret")
    (data_folder / "projets_extraits" / "secret.txt").write_text("secret")
    for address in (
        f"/api/projects/{part}",
        f"/api/projects/{part}/videos",
        f"/api/projects/P/videos/{part}",
        f"/api/projects/{part}/artifacts/docs/a.mp4",
        f"/api/projects/P/artifacts/{part}",
        f"/api/projects/P/artifacts/docs/{part}",
        f"/api/projects/P/artifacts/docs/{part}/secret.txt",
        f"/api/projects/P/artifacts/docs/{part}/{part}/secret.txt",
        f"/static/{part}/app.py",
    ):
        answer = client.get(address, buffered=True)
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found"), address
        assert b"secret" not in answer.data


def test_links_are_followed_inside_the_project_only(client: Any, make_converted: Any, data_folder: Path) -> None:
    video = make_converted("P", "a.mp4")
    (data_folder / "secret.txt").write_text("secret")
    docs = video.project.docs
    (docs / "out.txt").symlink_to(data_folder / "secret.txt")
    (docs / "up").symlink_to(data_folder)
    (docs / "in.mp4").symlink_to(video.path)
    (docs / "round").symlink_to(docs / "round")
    at = "/api/projects/P/artifacts/docs/"
    found = {name: ask(client, at + name).status_code for name in ("out.txt", "up/secret.txt", "in.mp4", "round")}
    assert found == {"out.txt": 404, "up/secret.txt": 404, "in.mp4": 200, "round": 404}


def test_a_log_outside_the_data_folder_is_not_read(client: Any, runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.log").write_text("secret")
    (step,) = runs.create(RunRequest(("STEP3",), ("P",)), [PlannedStep("STEP3", "P")]).steps
    runs.steps.claim(step.id, owner="w", boot_id="b", slot="cpu", device="cpu")
    where = str(tmp_path / "elsewhere.log")
    runs.steps.started(step.id, pid=1, create_time=0.0, boot_id="b", log_path=where, events_path="")
    answer = client.get(f"/api/steps/{step.id}/log")
    assert answer.status_code == 404 and "secret" not in answer.text


@pytest.mark.parametrize(
    "address", ["/api/runs", "/api/runs/plan", "/api/runs/1/cancel", "/api/session", "/not-there"]
)
def test_two_megabytes_are_too_much_everywhere(client: Any, address: str) -> None:
    answer = client.post(address, data=b'{"x": "' + b"x" * 2_000_000 + b'"}', content_type="application/json")
    assert (answer.status_code, answer.json["error"]["code"]) == (413, "too_large")


def test_every_answer_carries_the_headers_that_keep_browsers_safe(client: Any, app: APIFlask) -> None:
    for address in [*addresses(app), "/not-there"]:
        headers = ask(client, address).headers
        policy = headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy and "default-src 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] in ("no-store", "private, no-cache", "no-cache"), address


def test_a_client_may_hold_so_many_streams_and_others_theirs(make_app: Any) -> None:
    client = make_app(streams=2).test_client()
    held = [client.get("/api/events", buffered=False) for _ in range(2)]
    refused = client.get("/api/events", buffered=False)
    assert (refused.status_code, refused.json["error"]["code"]) == (429, "too_many_streams")
    other = client.get("/api/events", buffered=False, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert other.status_code == 200
    held.pop().close()
    again = client.get("/api/events", buffered=False)
    assert again.status_code == 200
    for answer in (*held, refused, other, again):
        answer.close()


def test_what_an_archive_brought_is_saved_not_shown(client: Any, make_converted: Any) -> None:
    video = make_converted("P", "a.mp4")
    for name in ("page.html", "picture.svg", "program.js", "page.XHTML"):
        (video.project.docs / name).write_text("<script>alert(1)</script>")
        answer = ask(client, f"/api/projects/P/artifacts/docs/{name}")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.mimetype == "application/octet-stream"
