"""Fetching, verifying and importing speech models, from a hub of our own that breaks connections and lies."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from services import speech_models
from services.speech_models import fetch, import_folder, models, verify
from workflow_scripts.common import speech_models as common_speech_models
from workflow_scripts.common.errors import PreconditionError, UsageError, WorkflowError
from workflow_scripts.common.speech_models import (
    RECORD,
    EmbeddedModel,
    ModelFile,
    embedded_folder,
    find_model,
    models_folder,
    recorded_files,
)

CONTENT = {
    "config.json": b'{"lang_ids": [1]}',
    "model.bin": bytes(range(256)) * 4000,
    "tokenizer.json": b"{}",
    "vocabulary.txt": "é\n".encode(),
    "README.md": b"not wanted",
}
REVISION = "d" * 40


class Hub:
    """A hub with one repository; `breaks` is how many answers for the model end in mid-way."""

    def __init__(self) -> None:
        self.content = dict(CONTENT)
        self.promised = dict(CONTENT)
        self.breaks = 0
        self.ranges = True
        self.asked: list[tuple[str, str | None]] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            def log_message(self, *_words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        """Answer as the hub does."""
        path, _, _ = to.path.partition("?")
        self.asked.append((path, to.headers.get("Range")))
        if path == "/api/models/Systran/faster-whisper-base":
            body = json.dumps(
                {"sha": REVISION, "siblings": [self._listed(name) for name in self.promised]}
            ).encode()
            self._send(to, 200, body, len(body))
            return
        name = path.rpartition("/")[2]
        if path != f"/Systran/faster-whisper-base/resolve/{REVISION}/{name}" or name not in self.content:
            to.send_error(404)
            return
        body, status = self.content[name], 200
        asked = to.headers.get("Range")
        if asked and self.ranges:
            body, status = body[int(asked.removeprefix("bytes=").rstrip("-")) :], 206
        length = len(body)
        if name == "model.bin" and self.breaks:
            self.breaks -= 1
            body = body[: length // 2]
        self._send(to, status, body, length)

    def _send(self, to: BaseHTTPRequestHandler, status: int, body: bytes, length: int) -> None:
        to.send_response(status)
        to.send_header("Content-Length", str(length))
        to.end_headers()
        to.wfile.write(body)

    def _listed(self, name: str) -> dict[str, Any]:
        data = self.promised[name]
        git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        entry: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": git}
        if name == "model.bin":
            entry["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        return entry


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on this machine."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    hub = Hub()
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield hub
    hub.server.shutdown()
    thread.join()
    hub.server.server_close()


def get(name: str = "base") -> list[tuple[int, int]]:
    """Fetch a model without waiting between tries; what was told on the way."""
    told: list[tuple[int, int]] = []
    fetch(name, lambda done, total: told.append((done, total)), wait=lambda _seconds: None)
    return told


def state_of(name: str) -> str:
    """How a model stands."""
    return next(one.state for one in models() if one.name == name)


def test_a_model_is_fetched_whole_recorded_and_told_with_its_progress(hub: Hub) -> None:
    assert state_of("base") == "not here"
    told = get()
    wanted = {name: data for name, data in CONTENT.items() if name != "README.md"}
    total = sum(map(len, wanted.values()))
    assert told[-1] == (total, total) and [done for done, _ in told] == sorted(done for done, _ in told)
    folder = models_folder() / "base"
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != RECORD} == wanted
    assert {file.name: file.sha256 for file in recorded_files(folder)} == {
        name: hashlib.sha256(data).hexdigest() for name, data in wanted.items()
    }
    assert state_of("base") == "here" and verify("base").endswith(f"(Systran/faster-whisper-base at {REVISION}).")


def test_what_is_here_is_not_asked_for_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    get()
    hub.asked.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert get() == [] and hub.asked == []


def test_a_connection_that_breaks_is_taken_up_where_it_ended(hub: Hub) -> None:
    hub.breaks = 3
    get()
    size = len(CONTENT["model.bin"])
    ranges = [asked for path, asked in hub.asked if path.endswith("model.bin")]
    assert ranges == [None, f"bytes={size // 2}-", f"bytes={size * 3 // 4}-", f"bytes={size * 7 // 8}-"]
    assert state_of("base") == "here"


def test_an_interrupted_fetch_goes_on_in_the_next_call(hub: Hub) -> None:
    def interrupted(done: int, _total: int) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("base", interrupted)
    assert state_of("base") == "begun"
    hub.asked.clear()
    get()
    (asked,) = [asked for path, asked in hub.asked if path.endswith("model.bin")]
    assert asked is not None and asked.startswith("bytes=") and state_of("base") == "here"


def test_a_server_that_cannot_go_on_begins_anew(hub: Hub) -> None:
    hub.breaks, hub.ranges = 1, False
    get()
    assert find_model("base") and verify("base")


def test_content_that_is_not_what_was_promised_is_thrown_away(hub: Hub) -> None:
    hub.content["model.bin"] = bytes(len(CONTENT["model.bin"]))
    with pytest.raises(WorkflowError, match=r"model\.bin: what came is not what the hub promised"):
        get()
    assert state_of("base") == "begun"
    hub.content["model.bin"] = CONTENT["model.bin"]
    get()
    assert state_of("base") == "here"


def test_small_files_are_checked_too(hub: Hub) -> None:
    hub.content["config.json"] = CONTENT["config.json"].replace(b"1", b"2")
    with pytest.raises(WorkflowError, match=r"config\.json: what came is not"):
        get()


def test_a_hub_that_ends_each_connection_is_given_up_with_a_sentence(hub: Hub) -> None:
    hub.content["model.bin"] = b""
    with pytest.raises(PreconditionError, match=r"cannot be reached .* run the command again, or import a folder"):
        get()


def test_a_repository_that_is_not_whole_is_no_model(hub: Hub) -> None:
    del hub.promised["tokenizer.json"]
    with pytest.raises(WorkflowError, match=r"base is not complete: it lacks tokenizer\.json"):
        get()
    assert not (models_folder() / "base").exists()


def test_without_a_hub_the_sentence_says_what_else_to_do(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PreconditionError, match="the hub refuses it"):
        get("small")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(PreconditionError, match=r"127\.0\.0\.1:9 cannot be reached .*import a folder"):
        get()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(PreconditionError, match="HF_HUB_OFFLINE is set"):
        get()
    with pytest.raises(UsageError, match="no speech model 'bse' to fetch"):
        get("bse")


def test_too_little_space_is_found_before_anything_comes(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10**6))
    with pytest.raises(PreconditionError, match="1 MB are to come and 1 MB are free"):
        get()
    assert not [path for path, _ in hub.asked if path.endswith("model.bin")]


def test_a_damaged_model_is_told_and_fetched_anew(hub: Hub) -> None:
    get()
    (models_folder() / "base" / "model.bin").write_bytes(b"cut off")
    assert state_of("base") == "damaged"
    with pytest.raises(PreconditionError, match="damaged"):
        verify("base")
    get()
    assert state_of("base") == "here" and not list(models_folder().glob(".old-*"))


def test_a_change_that_keeps_the_size_is_found_by_verifying(hub: Hub) -> None:
    get()
    path = models_folder() / "base" / "model.bin"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(PreconditionError, match=r"model\.bin is not the file that it was"):
        verify("base")


def test_a_change_that_keeps_the_size_is_mended_by_fetching(hub: Hub) -> None:
    get()
    path = models_folder() / "base" / "model.bin"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    get()
    assert verify("base") and path.read_bytes() == CONTENT["model.bin"]


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small model in the place of the one that comes with audio_env."""
    folder = embedded_folder() / "base"
    folder.mkdir(parents=True)
    wanted = {name: data for name, data in CONTENT.items() if name != "README.md"}
    for name, data in wanted.items():
        (folder / name).write_bytes(data)
    files = tuple(ModelFile(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in wanted.items())
    pins = {"base": EmbeddedModel("Somebody/base at 1", "MIT", files)}
    for module in (speech_models, common_speech_models):
        monkeypatch.setattr(module, "EMBEDDED", pins)
    return folder


def test_the_model_of_audio_env_is_here_with_where_it_comes_from_and_is_not_fetched(
    hub: Hub, embedded: Path
) -> None:
    (base,) = (one for one in models() if one.name == "base")
    size = sum(len(data) for name, data in CONTENT.items() if name != "README.md")
    assert (base.state, base.size) == ("here", size)
    assert base.source == "comes with audio_env: Somebody/base at 1, MIT"
    assert verify("base") == f"base: 4 files are what they were ({base.source})."
    assert get() == [] and hub.asked == [] and not models_folder().exists()


def test_where_the_model_of_audio_env_is_damaged_fetching_puts_another_in_its_place(
    hub: Hub, embedded: Path
) -> None:
    (embedded / "model.bin").write_bytes(bytes(len(CONTENT["model.bin"])))
    with pytest.raises(PreconditionError, match=r"base is damaged: model\.bin .* Run `scripts/setup audio_env`"):
        verify("base")
    get()
    assert find_model("base") == models_folder() / "base"
    assert verify("base").endswith(f"(Systran/faster-whisper-base at {REVISION}).")


def test_a_folder_imported_under_its_name_takes_the_place_of_the_model_of_audio_env(
    tmp_path: Path, embedded: Path
) -> None:
    brought = write_folder(tmp_path / "stick")
    import_folder(brought, "base")
    assert state_of("base") == "here" and verify("base").endswith(f"(imported from {brought}).")


def write_folder(folder: Path) -> Path:
    """A model that somebody brought."""
    folder.mkdir(parents=True)
    for name, data in CONTENT.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_folder_is_imported_under_its_name_or_another(tmp_path: Path) -> None:
    brought = write_folder(tmp_path / "stick" / "whisper-fr")
    assert import_folder(brought) == models_folder() / "whisper-fr"
    assert import_folder(brought, "base") == models_folder() / "base"
    assert [one.name for one in models() if one.state == "here"] == ["base", "whisper-fr"]
    assert verify("whisper-fr") == f"whisper-fr: 4 files are what they were (imported from {brought})."
    with pytest.raises(UsageError, match="There is a model base already"):
        import_folder(brought, "base")


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a b", "é"])
def test_names_that_cannot_be_a_folders_are_refused(tmp_path: Path, name: str) -> None:
    brought = write_folder(tmp_path / "été !")
    with pytest.raises(UsageError, match="cannot be the name of a model"):
        import_folder(brought, name or None)


def test_a_folder_that_is_no_model_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    brought = write_folder(tmp_path / "half")
    (brought / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"it lacks tokenizer\.json"):
        import_folder(brought)
    assert not models_folder().exists()


def test_two_do_not_fetch_the_same_at_once(hub: Hub) -> None:
    with speech_models._making("base"), pytest.raises(PreconditionError, match="Another process is fetching"):
        get()
