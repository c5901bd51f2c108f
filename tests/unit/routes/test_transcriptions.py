"""Transcriptions over HTTP, and the pages that show them."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routes.uploads import OFFSET, PIECE
from services.transcriptions import Facts, Shelf, Transcription, Wish
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript, Word, write_srt, write_transcript

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
HTMX = {"HX-Request": "true"}
UPLOADS = "/api/transcriptions/uploads"
FACTS = Facts("fr", 0.934, 2, "base", "cpu", "int8", {"too fast": 3})
NAME = "it's <b> “50 %”  .mp3"


@pytest.fixture
def shelf(data_folder: Path) -> Shelf:
    """The transcriptions of the application."""
    return Shelf()


@pytest.fixture
def put(shelf: Shelf, tmp_path: Path) -> Any:
    """`put(state=…)`: a transcription that stands so."""
    count = iter(range(100))

    def make(name: str = NAME, **state: Any) -> Transcription:
        shelf.folder.mkdir(parents=True, exist_ok=True)
        file = tmp_path / f"part {next(count)}"
        file.write_bytes(b"sound")
        one = shelf.find(shelf.put(file, name, Wish(language="fr"), f"{next(count):08x}"))
        if state:
            shelf.write_state(replace(one, **{"attempt": 1, **state}))
        return shelf.find(one.key)

    return make


def results(shelf: Shelf, one: Transcription) -> None:
    """Let a transcription have what came of it."""
    words = (Word(0.5, 0.75, " Bonjour", 0.9), Word(0.75, 1.5, " tous.", 0.4))
    transcript = Transcript(
        "fr", 0.934, "transcribe", "base", 2.0, (Spoken(0.5, 1.5, " Bonjour tous.", words, -0.1, 0.0, 1.0),)
    )
    folder = shelf.results(one)
    folder.mkdir()
    write_transcript(folder / f"{one.stem}_transcript.json", transcript)
    write_srt(folder / f"{one.stem}_transcript.srt", [])


def begin(client: Any, name: str = "a.mp3", size: int = 6, **more: Any) -> Any:
    """Announce a file."""
    return client.post(UPLOADS, json={"name": name, "size": size, "modified": 1, **more})


def send(client: Any, upload: str, offset: int, data: bytes) -> Any:
    """Send a piece."""
    return client.patch(f"{UPLOADS}/{upload}", data=data, content_type=PIECE, headers={OFFSET: str(offset)})


def kinds(client: Any) -> list[tuple[str, Any]]:
    """The events that tell of transcriptions."""
    events = client.get("/api/events/poll?after=0").json["events"]
    return [(event["data"]["key"], event["data"]["state"]) for event in events if event["kind"] == "transcription"]


def test_a_file_that_was_sent_waits_and_pages_hear_of_it(client: Any, shelf: Shelf) -> None:
    begun = begin(client, language="fr")
    assert (begun.status_code, begun.json["offset"]) == (201, 0)
    assert [one["name"] for one in client.get(UPLOADS).json["uploads"]] == ["a.mp3"]
    assert send(client, begun.json["id"], 0, b"abc").json["stored_as"] == ""
    key = send(client, begun.json["id"], 3, b"def").json["stored_as"]
    told = client.get(f"/api/transcriptions/{key}").json
    assert (told["state"], told["name"], told["size"]) == ("queued", "a.mp3", 6)
    assert told["wish"] == {"model": "", "language": "fr", "task": ""}
    assert [one["key"] for one in client.get("/api/transcriptions").json["transcriptions"]] == [key]
    assert kinds(client) == [(key, "queued")]


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        ({"language": "xx"}, 422, "no code of a language"),
        ({"task": "sing"}, 422, "task"),
        ({"model": "small"}, 424, "models fetch small"),
        ({"model": "/etc"}, 422, "chosen by its name"),
        ({"name": "a.zip"}, 422, "archive"),
        ({"project": "P"}, 422, "project"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    client: Any, more: dict[str, str], status: int, said: str
) -> None:
    answer = client.post(UPLOADS, json={"name": "a.mp3", "size": 6, "modified": 1, **more})
    error = answer.json["error"]
    assert answer.status_code == status and said in error["message"] + error["hint"]
    assert client.get(UPLOADS).json["uploads"] == []


def test_the_words_come_in_parts_while_it_works_and_whole_in_the_end(client: Any, shelf: Shelf, put: Any) -> None:
    one = put(state="running", duration=9.0)
    address = f"/api/transcriptions/{one.key}/words"
    events = shelf.process(one).events
    events.parent.mkdir()
    words = [{"start": 1.0, "end": 1.5, "text": " Bonjour", "probability": 0.9}]
    events.write_text(json.dumps({"event": "segment", "words": words}) + "\n")
    first = client.get(address).json
    assert [word["text"] for word in first["words"]] == ["Bonjour"]
    more = client.get(address, query_string={"source": first["source"], "after": first["next"]}).json
    assert (more["words"], more["next"], more["source"]) == ([], first["next"], first["source"])
    shelf.write_state(replace(one, state="running", attempt=2))  # begun anew: its offset means nothing now
    assert client.get(address, query_string={"source": first["source"], "after": first["next"]}).json["words"] == []

    shelf.write_state(replace(one, state="succeeded", facts=FACTS))
    results(shelf, one)
    whole = client.get(address, query_string={"source": first["source"], "after": first["next"]}).json
    assert [word["text"] for word in whole["words"]] == ["Bonjour", "tous."]
    assert whole["language"] == "fr" and whole["source"] != first["source"]
    rest = client.get(address, query_string={"source": whole["source"], "after": whole["next"]}).json
    assert rest["words"] == []


def test_what_waits_has_no_words_yet(client: Any, put: Any) -> None:
    assert client.get(f"/api/transcriptions/{put().key}/words").json["words"] == []


def test_results_are_downloaded_by_the_name_of_the_file(client: Any, shelf: Shelf, put: Any) -> None:
    one = put(state="succeeded", facts=FACTS)
    results(shelf, one)
    for kind, media_type in (("json", "application/json"), ("srt", "application/x-subrip")):
        with client.get(f"/api/transcriptions/{one.key}/files/{kind}") as answer:
            assert (answer.status_code, answer.mimetype) == (200, media_type)
            disposition = answer.headers["Content-Disposition"]
            assert disposition.startswith("attachment") and f"_transcript.{kind}" in disposition
    for kind in ("vtt", "exe", "..%2frequest.json"):
        assert client.get(f"/api/transcriptions/{one.key}/files/{kind}").status_code == 404


def test_the_sound_is_made_ready_once_and_played_in_ranges(client: Any, shelf: Shelf, put: Any) -> None:
    one = put("a.wav", duration=2.0, state="succeeded", facts=FACTS)
    with wave.open(str(shelf.sound(one)), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(bytes(64000))
    address = f"/api/transcriptions/{one.key}/sound"
    assert client.get(f"{address}.m4a").status_code == 404
    while not (told := client.get(address).json)["ready"]:
        assert 0 <= told["share"] <= 1
    with client.get(told["url"], headers={"Range": "bytes=0-9"}) as answer:
        assert (answer.status_code, answer.mimetype, len(answer.data)) == (206, "audio/mp4", 10)
    assert client.get(address).json["ready"] is True


def test_a_sound_that_cannot_be_read_is_told_with_a_sentence(client: Any, put: Any) -> None:
    address = f"/api/transcriptions/{put(name='a.mp3').key}/sound"
    while (answer := client.get(address)).status_code == 200:
        assert answer.json["ready"] is False
    assert "a.mp3" in answer.json["error"]["message"]


def test_one_is_cancelled_begun_again_and_removed(client: Any, shelf: Shelf, put: Any) -> None:
    one = put()
    address = f"/api/transcriptions/{one.key}"
    assert client.post(f"{address}/again", json={}).status_code == 409
    assert client.post(f"{address}/cancel").json["state"] == "cancelled"
    assert client.post(f"{address}/cancel").status_code == 409
    again = client.post(f"{address}/again", json={"language": "de"}).json
    assert (again["state"], again["round"], again["wish"]["language"]) == ("queued", 2, "de")
    assert client.post(f"{address}/cancel").status_code == 200
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404
    assert [state for _, state in kinds(client)] == ["cancelled", "queued", "cancelled", "cancelled"]
    assert list(shelf.folder.glob("2*")) == []


def test_what_works_cannot_be_removed(client: Any, put: Any) -> None:
    answer = client.delete(f"/api/transcriptions/{put(state='running').key}")
    assert (answer.status_code, answer.json["error"]["code"]) == (409, "wrong_state")


@pytest.mark.parametrize("key", ["x", "20260101-000000-0123abcd", "..", "%2e%2e%2f", "20260101-000000-0123abcd%00"])
def test_a_key_that_is_none_is_not_found_anywhere(client: Any, key: str) -> None:
    for rest in ("", "/words", "/sound", "/sound.m4a", "/files/txt"):
        assert client.get(f"/api/transcriptions/{key}{rest}").status_code in (404, 308), rest
    assert client.get(f"/transcribe/{key}", headers=BROWSER).status_code in (404, 308)


def test_the_list_tells_how_each_stands_whatever_it_is_called(client: Any, put: Any) -> None:
    put(state="running", duration=10.0, done=2.5)
    put(state="failed", reason="there is <i>no</i> sound")
    put(state="succeeded", duration=65.0, facts=FACTS)
    page = client.get("/transcribe", headers=BROWSER).text
    assert page.count("it&#39;s &lt;b&gt; “50 %”  .mp3") >= 3 and "<b>" not in page
    assert "25 %" in page and "&lt;i&gt;no&lt;/i&gt;" in page and "1:05" in page and "French" in page
    assert "3 files, 15 B" in page


def test_what_waits_without_a_worker_is_told_so(client: Any, put: Any) -> None:
    put()
    assert "No worker is there" in client.get("/transcribe/parts/list").text


def test_a_page_tells_what_can_be_done_with_one(client: Any, shelf: Shelf, put: Any) -> None:
    waiting, one = put(), put(state="succeeded", duration=65.0, facts=FACTS, warnings=("on the CPU",), seconds=12.0)
    page = client.get(f"/transcribe/{one.key}", headers=BROWSER).text
    for text in ("Done", "93 %", "3 <span", "too fast", "on the CPU", "files/srt", "Transcribe it again", "Remove"):
        assert text in page, text
    page = client.get(f"/transcribe/{waiting.key}", headers=BROWSER).text
    assert "Waiting" in page and "Cancel" in page and "files/srt" not in page and "Remove" not in page


def test_actions_of_the_page_answer_with_how_it_stands(client: Any, put: Any) -> None:
    one = put()
    cancelled = client.post(f"/transcribe/{one.key}/cancel", headers=HTMX)
    assert cancelled.status_code == 200 and "Cancelled" in cancelled.text
    again = client.post(f"/transcribe/{one.key}/again", headers=HTMX, data={"language": "de"})
    assert "Waiting" in again.text
    refused = client.post(f"/transcribe/{one.key}/again", headers=HTMX)
    assert (refused.status_code, refused.headers["HX-Retarget"]) == (409, "#notices")
    client.post(f"/transcribe/{one.key}/cancel")
    removed = client.post(f"/transcribe/{one.key}/remove", headers=HTMX)
    assert (removed.status_code, removed.headers["HX-Redirect"]) == (204, "/transcribe")
    assert client.get(f"/transcribe/{one.key}").status_code == 404


def test_actions_work_without_scripts_too(client: Any, put: Any) -> None:
    one = put(state="failed")
    again = client.post(f"/transcribe/{one.key}/again", data={"language": "de", "model": "", "task": ""})
    assert (again.status_code, again.headers["Location"]) == (303, f"/transcribe/{one.key}")
    client.post(f"/transcribe/{one.key}/cancel")
    assert client.post(f"/transcribe/{one.key}/remove").headers["Location"] == "/transcribe"


def test_the_page_says_what_is_missing_and_what_brings_it(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow_scripts.common.errors import PreconditionError

    lacking = PreconditionError("The speech model base is not here.", hint="Run `scripts/setup audio_env`.")
    monkeypatch.setattr("routes.pages.transcribe.lack", lambda _definition: lacking)
    text = client.get("/transcribe/parts/ready").text
    assert "The speech model base is not here." in text and "Run `scripts/setup audio_env`." in text
