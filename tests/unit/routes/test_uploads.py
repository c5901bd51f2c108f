"""Uploads over HTTP: announced, sent in pieces, taken up again, refused with a sentence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from routes.uploads import OFFSET, PIECE
from services.uploads import CHUNK


def begin(client: Any, name: str = "film.zip", size: int = 6, **more: Any) -> Any:
    """Announce a file."""
    return client.post("/api/uploads", json={"name": name, "size": size, "modified": 1, **more})


def send(client: Any, upload: str, offset: int, data: bytes, **headers: str) -> Any:
    """Send a piece."""
    sent = {OFFSET: str(offset), **headers}
    return client.patch(f"/api/uploads/{upload}", data=data, content_type=PIECE, headers=sent)


def test_a_file_comes_in_pieces_and_lies_in_the_inbox_in_the_end(client: Any, data_folder: Path) -> None:
    begun = begin(client)
    assert (begun.status_code, begun.json["offset"], begun.json["chunk"]) == (201, 0, CHUNK)
    upload = begun.json["id"]
    first = send(client, upload, 0, b"abc")
    assert (first.status_code, first.headers[OFFSET], first.json["stored_as"]) == (200, "3", "")
    assert begin(client).json["offset"] == 3
    assert [one["id"] for one in client.get("/api/uploads").json["uploads"]] == [upload]
    last = send(client, upload, 3, b"def")
    assert (last.json["whole"], last.json["stored_as"]) == (True, "film.zip")
    assert (data_folder / "inbox" / "film.zip").read_bytes() == b"abcdef"
    assert client.get("/api/uploads").json["uploads"] == []


def test_how_far_it_is_can_be_asked_without_a_body(client: Any) -> None:
    upload = begin(client).json["id"]
    send(client, upload, 0, b"abcd")
    for ask in (client.head, client.get):
        assert ask(f"/api/uploads/{upload}").headers[OFFSET] == "4"


def test_a_piece_as_large_as_is_told_is_taken_and_a_larger_one_is_not(client: Any) -> None:
    upload = begin(client, size=3 * CHUNK).json["id"]
    assert send(client, upload, 0, bytes(CHUNK)).json["offset"] == CHUNK
    assert send(client, upload, CHUNK, bytes(CHUNK + 1)).status_code == 413
    assert client.get(f"/api/uploads/{upload}").json["offset"] == CHUNK


def test_a_piece_at_the_wrong_place_is_answered_with_the_right_one(client: Any) -> None:
    upload = begin(client).json["id"]
    send(client, upload, 0, b"abc")
    wrong = send(client, upload, 0, b"abc")
    assert (wrong.status_code, wrong.headers[OFFSET]) == (409, "3")
    assert (wrong.json["error"]["code"], wrong.json["error"]["offset"]) == ("wrong_offset", 3)


@pytest.mark.parametrize("offset", ["", "-1", "one", "٣", "9" * 30])
def test_an_offset_that_is_no_number_is_refused(client: Any, offset: str) -> None:
    upload = begin(client).json["id"]
    assert send(client, upload, 0, b"abc", **{OFFSET: offset}).status_code == 400


def test_a_piece_of_another_media_type_is_refused(client: Any) -> None:
    upload = begin(client).json["id"]
    answer = client.patch(f"/api/uploads/{upload}", data=b"abc", content_type="text/plain", headers={OFFSET: "0"})
    assert answer.status_code == 415


@pytest.mark.parametrize("name", ["../film.zip", "notes.txt", "", "a\nb.zip", "\ud800.zip"])
def test_a_name_that_will_not_do_is_refused_with_a_sentence(client: Any, name: str) -> None:
    answer = begin(client, name)
    assert answer.status_code == 422 and answer.json["error"]["message"]


def test_a_file_that_the_disk_does_not_take_is_refused_before_it_is_sent(client: Any) -> None:
    answer = begin(client, size=400 * 10**9)
    assert (answer.status_code, answer.json["error"]["code"]) == (507, "no_room")


def test_a_larger_file_than_is_allowed_is_refused(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_UPLOAD_MAX_GB", "0.001")
    answer = begin(client, size=1_000_001)
    assert answer.status_code == 422 and "WORKFLOW_UPLOAD_MAX_GB" in answer.json["error"]["hint"]


def test_what_is_cancelled_is_not_there_any_more(client: Any) -> None:
    upload = begin(client).json["id"]
    assert client.delete(f"/api/uploads/{upload}").status_code == 204
    for answer in (client.get(f"/api/uploads/{upload}"), send(client, upload, 0, b"abc")):
        assert (answer.status_code, answer.json["error"]["code"]) == (404, "not_found")


def test_a_page_of_another_site_can_send_nothing(client: Any) -> None:
    upload = begin(client).json["id"]
    answer = send(client, upload, 0, b"abc", **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert client.get(f"/api/uploads/{upload}").json["offset"] == 0


@pytest.fixture
def server(make_app: Any) -> Iterator[int]:
    """The port of a real server."""
    from app import make_server
    from services.web.settings import WebSettings

    server = make_server(make_app(), WebSettings(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.effective_port
    server.close()
    thread.join(10)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_real_server_takes_a_whole_piece(server: int, data_folder: Path) -> None:
    connection = HTTPConnection("127.0.0.1", server, timeout=20)
    asked = b'{"name": "film.mp4", "size": %d, "modified": 1}' % (CHUNK + 3)
    connection.request("POST", "/api/uploads", asked, {"Content-Type": "application/json"})
    upload = connection.getresponse().read().split(b'"id":"')[1].split(b'"')[0].decode()
    for offset, size in ((0, CHUNK), (CHUNK, 3)):
        headers = {"Content-Type": PIECE, OFFSET: str(offset)}
        connection.request("PATCH", f"/api/uploads/{upload}", bytes(size), headers)
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.headers[OFFSET]) == (200, str(offset + size))
    assert (data_folder / "inbox" / "film.mp4").stat().st_size == CHUNK + 3
    connection.close()
