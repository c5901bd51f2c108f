"""The folders of transcriptions: put there, asked for again, cancelled, removed, and read whatever is in them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.states import TransitionError
from services.transcriptions import Facts, Shelf, UnknownTranscription, Wish

FACTS = Facts("fr", 0.9, 7, "base", "cpu", "int8", {"too fast": 1})
WISH = Wish("base", "fr", "translate")


def ended(shelf: Shelf, key: str, **more: Any) -> None:
    """Write down that a transcription has ended well."""
    shelf.write_state(replace(shelf.find(key), **{"state": "succeeded", "facts": FACTS, **more}))


def folders(shelf: Shelf) -> list[str]:
    """The names of all folders on a shelf."""
    return [path.name for path in shelf.folder.iterdir() if path.is_dir()]


def test_a_file_becomes_a_transcription_that_waits_with_what_was_asked_for(shelf: Shelf, put: Any) -> None:
    one = shelf.find(put("Été d'un jour .mp3", "sound", WISH))
    assert (one.name, one.size, one.wish, one.state, one.round, one.attempt) == (
        "Été d'un jour .mp3",
        5,
        WISH,
        "queued",
        1,
        0,
    )
    assert shelf.sound(one).read_text() == "sound"
    assert (one.stem, one.active, one.facts) == ("Été d'un jour ", True, None)


def test_a_file_that_was_put_there_before_its_upload_knew_it_is_not_there_twice(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.folder.mkdir()
    (part := tmp_path / "part").write_text("sound")
    first = shelf.put(part, "a.mp3", WISH, "0123abcd")
    assert shelf.put(part, "a.mp3", WISH, "0123abcd") == first
    assert [one.key for one in shelf.all()] == [first]
    part.unlink()
    part.write_text("sound")  # the same file, sent anew later
    assert shelf.put(part, "a.mp3", WISH, "0123abcd") != first
    assert len(shelf.all()) == 2


def test_what_an_interrupted_putting_left_is_no_transcription_and_in_nobodys_way(
    shelf: Shelf, tmp_path: Path
) -> None:
    (shelf.folder / ".new-0123abcd" / "sound").mkdir(parents=True)
    (part := tmp_path / "part").write_text("sound")
    assert shelf.all() == []
    key = shelf.put(part, "a.mp3", WISH, "0123abcd")
    assert folders(shelf) == [key]


def test_the_newest_come_first(shelf: Shelf, put: Any) -> None:
    keys = [put(f"{number}.mp3") for number in range(3)]
    assert [one.key for one in shelf.all()] == sorted(keys, reverse=True)


def test_how_it_stands_is_what_the_worker_wrote_down(shelf: Shelf, put: Any) -> None:
    key = put()
    one = replace(shelf.find(key), state="failed", attempt=2, reason="no sound", done=1.5, duration=3.0)
    shelf.write_state(replace(one, warnings=("one", "two"), seconds=4.5, started=one.added, finished=one.added))
    assert shelf.find(key) == replace(
        one, warnings=("one", "two"), seconds=4.5, started=one.added, finished=one.added
    )


def test_what_came_of_a_round_stays_while_another_one_works(shelf: Shelf, put: Any) -> None:
    key = put(name="a.mp3")
    ended(shelf, key, seconds=3.0)
    result = shelf.results(shelf.find(key)) / "a_transcript.srt"
    result.parent.mkdir()
    result.write_text("1")
    again = shelf.again(key, WISH)
    assert (again.state, again.round, again.wish, again.seconds, again.facts) == ("queued", 2, WISH, None, FACTS)
    assert shelf.result(again, "srt") == result
    shelf.write_state(replace(again, state="running", attempt=1))
    running = shelf.find(key)
    assert (running.state, running.attempt, running.facts) == ("running", 1, FACTS)


def test_only_what_has_ended_is_begun_again(shelf: Shelf, put: Any) -> None:
    with pytest.raises(TransitionError, match=r"of été\.mp3 is queued and cannot be begun again"):
        shelf.again(put(), Wish())


def test_what_has_not_begun_is_cancelled_at_once_and_what_runs_is_to_be_ended(shelf: Shelf, put: Any) -> None:
    waiting, running = put(), put()
    assert (shelf.cancel(waiting).state, shelf.find(waiting).active) == ("cancelled", False)
    shelf.write_state(replace(shelf.find(running), state="running"))
    assert (shelf.cancel(running).state, shelf.find(running).cancelling) == ("running", True)
    with pytest.raises(TransitionError):
        shelf.cancel(waiting)
    assert shelf.again(waiting, Wish()).state == "queued"  # the wish was about the round before


def test_a_removed_one_is_gone_with_its_files_but_not_while_it_is_worked_on(shelf: Shelf, put: Any) -> None:
    key = put()
    shelf.write_state(replace(shelf.find(key), state="running"))
    with pytest.raises(TransitionError):
        shelf.remove(key)
    ended(shelf, key)
    assert shelf.remove(key).key == key
    assert folders(shelf) == []
    with pytest.raises(UnknownTranscription):
        shelf.find(key)


def test_what_an_interrupted_removal_left_is_cleared_away(shelf: Shelf, put: Any) -> None:
    key = put()
    (shelf.folder / key).rename(shelf.folder / f".gone-{key}")
    assert shelf.all() == []
    shelf.clear()
    assert folders(shelf) == []


@pytest.mark.parametrize("key", ["", "..", "../secret", "20260101-000000-0123abcg", "20260101-000000-0123abcd\n"])
def test_a_key_that_is_none_leads_nowhere(shelf: Shelf, key: str) -> None:
    with pytest.raises(UnknownTranscription):
        shelf.find(key)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"name": 1}', "\udcff"])
def test_a_folder_whose_request_cannot_be_read_is_passed_over(shelf: Shelf, put: Any, text: str) -> None:
    key, other = put(), put()
    (shelf.folder / key / "request.json").write_text(text, errors="surrogateescape")
    assert [one.key for one in shelf.all()] == [other]


@pytest.mark.parametrize("damaged", ["{", "[]", '{"round": 1}', '{"facts": {"x": 1}}'])
def test_a_state_that_cannot_be_read_hides_nothing_but_itself(shelf: Shelf, put: Any, damaged: str) -> None:
    key = put()
    (shelf.folder / key / "state.json").write_text(damaged)
    assert shelf.find(key).state == "queued"


@pytest.mark.parametrize("kind", ["json", "srt", "vtt", "txt", "exe", "../request.json"])
def test_there_is_no_result_before_a_round_has_ended_well(shelf: Shelf, put: Any, kind: str) -> None:
    with pytest.raises(UnknownTranscription):
        shelf.result(shelf.find(put()), kind)


def test_every_file_of_a_folder_is_json_that_others_can_read(shelf: Shelf, put: Any) -> None:
    key = put(wish=WISH)
    ended(shelf, key)
    shelf.again(key, WISH)
    shelf.cancel(key)
    for name in ("request", "state", "cancel"):
        assert json.loads((shelf.folder / key / f"{name}.json").read_text())
