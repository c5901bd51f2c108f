"""The folder of pyannote's pipeline, and the hub as a small server on this machine plays it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.step4.pyannote_folder import (
    HUB_MODEL,
    PREFLIGHT_SECONDS,
    checked_folder,
    folder_records,
    hub_folder,
    hub_records,
    hub_token,
    parameters_record,
    preflight,
    ready_folder,
)

TOKEN = "hf_secret"
PAGE = "https://huggingface.co/pyannote/speaker-diarization-community-1"
REVISION = "0" * 40


class Hub:
    """Answers every question with one status and some headers, after a while; remembers what it was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self.hangs = threading.Event()
        self.asked: list[tuple[str, str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                hub.asked.append((self.command, self.path, self.headers["authorization"]))
                if hub.hangs.is_set():
                    hub.go.wait(20)
                self.send_response(hub.status)
                for name, value in {"Content-Length": "0", **hub.headers}.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_HEAD  # noqa: N815 - the name is the library's

            def log_message(self, *_args: object) -> None: ...

        self.go = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        """Let go of everybody who waits, and stop."""
        self.go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def nothing_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache of the hub with nothing in it, and no proxy between this machine and itself."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    return tmp_path / "cache"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine."""
    hub = Hub()
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    yield hub
    hub.close()


def download(cache: Path, pipeline: Path) -> Path:
    """Lay a pipeline into the cache as a download does."""
    model = cache / f"models--{HUB_MODEL.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(REVISION)
    return Path(shutil.copytree(pipeline, model / "snapshots" / REVISION))


def refused(token: str = TOKEN, **limits: Any) -> PreconditionError:
    """The error with which the pre-flight ends; it never holds the token."""
    with pytest.raises(PreconditionError) as caught:
        preflight(token, **limits)
    assert token not in str(caught.value)
    assert "pyannote_model" in caught.value.hint and "engine to embedded" in caught.value.hint
    return caught.value


def test_a_token_that_may_download_passes_with_one_question(hub: Hub) -> None:
    preflight(TOKEN)
    assert hub.asked == [("HEAD", f"/{HUB_MODEL}/resolve/main/config.yaml", f"Bearer {TOKEN}")]


def test_an_answer_that_points_elsewhere_is_a_yes_and_is_not_followed(hub: Hub) -> None:
    hub.status, hub.headers = 307, {"Location": "http://127.0.0.1:9/elsewhere"}
    preflight(TOKEN)
    assert len(hub.asked) == 1


@pytest.mark.parametrize("headers", [{"X-Error-Code": "GatedRepo"}, {}])
def test_a_wrong_token_is_said_with_where_it_is_set(
    hub: Hub, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.status, hub.headers = 401, headers
    error = refused()
    assert "does not know this token" in error.message and "Check HF_TOKEN" in error.hint


@pytest.mark.parametrize("token", ["hf_with a blank", "hf_with\na line", "hf_é"])
def test_a_token_that_cannot_be_one_is_not_sent(hub: Hub, token: str) -> None:
    assert "does not know this token" in refused(token).message
    assert hub.asked == []


def test_terms_that_are_not_accepted_are_said_with_the_page_to_accept_them_on(hub: Hub) -> None:
    hub.status, hub.headers = 403, {"X-Error-Code": "GatedRepo"}
    error = refused()
    assert "terms" in error.message and "not accepted" in error.message and f"Accept them on {PAGE} " in error.hint
    with pytest.raises(PreconditionError) as caught:
        hub_folder(TOKEN)  # the download says the same
    assert str(caught.value) == str(error)


def test_a_token_without_the_right_to_read_is_told_from_a_wrong_one(hub: Hub) -> None:
    hub.status = 403
    assert "the right to read public gated repositories" in refused().hint


@pytest.mark.parametrize(("status", "retry"), [(503, True), (404, False)])
def test_a_hub_in_trouble_is_said_with_its_status(hub: Hub, status: int, retry: bool) -> None:
    hub.status = status
    error = refused()
    assert f"(status {status})" in error.message and error.retry is retry
    assert len(hub.asked) == 1  # it is asked once


def test_nobody_there_is_said_with_the_ways_that_need_no_hub() -> None:
    assert "the hub cannot be reached" in refused().message


def test_a_hub_that_hangs_is_given_up(hub: Hub) -> None:
    hub.hangs.set()
    assert "the hub cannot be reached" in refused(seconds=0.2).message
    assert not hub.go.is_set()  # it hangs to this moment


def test_a_name_server_that_hangs_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_kwargs: go.wait(20) and [])
    begin = time.monotonic()
    refused(seconds=0.2)
    assert time.monotonic() - begin < 10
    go.set()


def test_the_limit_reaches_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []

    class Session:
        def head(self, _address: str, *, timeout: float, **_others: object) -> Any:
            limits.append(timeout)
            return type("Answer", (), {"status_code": 200})

    monkeypatch.setattr("huggingface_hub.utils.get_session", Session)
    preflight(TOKEN)
    assert limits == [PREFLIGHT_SECONDS] and PREFLIGHT_SECONDS < 2


def test_what_is_downloaded_needs_neither_hub_nor_token(
    hub: Hub, nothing_downloaded: Path, tiny_pipeline: Path
) -> None:
    folder = download(nothing_downloaded, tiny_pipeline)
    preflight("wrong")
    assert ready_folder() == hub_folder("wrong") == folder
    assert hub_records() == folder_records(folder)
    assert hub.asked == []


def test_what_is_downloaded_in_part_is_not_ready(hub: Hub, nothing_downloaded: Path, tiny_pipeline: Path) -> None:
    shutil.rmtree(download(nothing_downloaded, tiny_pipeline) / "plda")
    assert ready_folder() is None
    preflight(TOKEN)
    assert len(hub.asked) == 1
    (record,) = hub_records()
    assert (record.name, record.sha256, record.source) == (f"pyannote {HUB_MODEL}", "", "not downloaded yet")


def test_a_hub_that_is_out_of_reach_is_said_with_what_to_do_and_without_the_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PreconditionError, match="cannot be reached") as caught:
        hub_folder(TOKEN)
    assert "embedded" in str(caught.value) and TOKEN not in str(caught.value)
    assert refused().message == caught.value.message


def test_the_token_comes_from_the_environment() -> None:
    assert hub_token({}) is None
    assert hub_token({"HF_TOKEN": "one"}) == "one"
    assert hub_token({"HF_TOKEN": "one", "PYANNOTE_TOKEN": "two"}) == "two"
    assert hub_token({"HF_TOKEN": ""}) is None


def test_a_folder_without_a_pipeline_or_without_its_parts_is_refused(tiny_pipeline: Path, tmp_path: Path) -> None:
    assert checked_folder(tiny_pipeline) == tiny_pipeline
    with pytest.raises(PreconditionError, match="does not exist"):
        checked_folder(tmp_path / "pyannote" / "speaker-diarization-3.1")  # no name on the hub
    with pytest.raises(PreconditionError, match=r"config\.yaml is missing"):
        checked_folder(tmp_path)
    half = Path(shutil.copytree(tiny_pipeline, tmp_path / "half"))
    shutil.rmtree(half / "plda")
    with pytest.raises(PreconditionError, match="plda is missing"):
        checked_folder(half)


def test_parameters_are_recorded_by_what_they_say() -> None:
    one = parameters_record({"clustering": {"Fa": 0.07, "Fb": 0.8}, "segmentation": {}})
    assert one == parameters_record({"segmentation": {}, "clustering": {"Fb": 0.8, "Fa": 0.07}})
    assert one != parameters_record({"clustering": {"Fa": 0.08, "Fb": 0.8}, "segmentation": {}})
    assert len(one.sha256) == 64
