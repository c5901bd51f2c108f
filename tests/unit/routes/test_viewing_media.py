"""What the page of a video plays, sees and hears, whatever the video is called."""

from __future__ import annotations

import os
import time
from typing import Any

import cv2
import numpy as np
import pytest

from services.names import key_of
from services.viewing import playable
from workflow_scripts.common.projects import Video


def at(video: Video) -> str:
    """The address of what is behind the page of a video."""
    return f"/api/projects/{key_of(video.project.name)}/videos/{key_of(video.name)}/view"


def asked_until_ready(client: Any, address: str) -> Any:
    """The answer once it is no longer being prepared."""
    while (answer := client.get(address, buffered=True)).status_code == 202:
        assert answer.json["preparing"]["share"] <= 1
        time.sleep(0.01)
    return answer


def test_a_video_is_played_as_it_is_whole_or_in_ranges(client: Any, make_film: Any) -> None:
    video = make_film("P", "a.mp4", 20)
    played = client.get(f"{at(video)}/playback").json
    assert (played["ready"], played["kind"], played["share"]) == (True, "original", 1.0)
    whole = client.get(played["url"], buffered=True)
    assert (whole.status_code, whole.mimetype, whole.data) == (200, "video/mp4", video.path.read_bytes())
    part = client.get(played["url"], headers={"Range": "bytes=5-9"}, buffered=True)
    assert (part.status_code, part.data) == (206, whole.data[5:10])
    assert client.get(played["url"], headers={"Range": "bytes=99999999-"}, buffered=True).status_code == 416
    assert (
        client.get(played["url"], headers={"If-None-Match": whole.headers["ETag"]}, buffered=True).status_code
        == 304
    )


def test_what_a_browser_cannot_play_is_made_once_and_then_played(
    client: Any, make_film: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(playable, "LONG_SIDE", 90)
    video = make_film("P", "a.mp4", 20)
    while not (played := client.get(f"{at(video)}/playback").json)["ready"]:
        assert played["kind"] == "proxy" and played["url"] is None
        time.sleep(0.01)
    assert played["kind"] == "proxy"
    answer = asked_until_ready(client, played["url"])
    assert answer.status_code == 200 and answer.data != video.path.read_bytes() and answer.data[4:8] == b"ftyp"


def test_a_thumbnail_is_a_small_picture_that_may_be_kept_for_ever(client: Any, make_film: Any) -> None:
    video = make_film("P", "a.mp4", 10, 10, bright=True)
    version = client.get(f"{at(video)}/playback").json["version"]
    light = []
    for frame in (9, 10):
        answer = asked_until_ready(client, f"{at(video)}/thumb/{frame}.jpg?height=27&v={version}")
        assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
        assert "immutable" in answer.headers["Cache-Control"]
        picture = cv2.imdecode(np.frombuffer(answer.data, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (27, 48, 3)
        light.append(picture.mean())
    assert light[0] > 150 > 100 > light[1]
    plain = client.get(f"{at(video)}/thumb/9.jpg?height=27", buffered=True)
    assert plain.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("frame", ["20", "99999999999", "-1", "x"])
def test_there_is_no_thumbnail_beyond_the_end(client: Any, make_film: Any, frame: str) -> None:
    assert client.get(f"{at(make_film('P', 'a.mp4', 20))}/thumb/{frame}.jpg").status_code == 404


@pytest.mark.parametrize("query", ["height=0", "height=9999", "height=x", "width=5"])
def test_a_thumbnail_of_an_absurd_size_is_refused(client: Any, make_film: Any, query: str) -> None:
    assert client.get(f"{at(make_film('P', 'a.mp4', 20))}/thumb/3.jpg?{query}").status_code == 422


def test_a_page_that_was_opened_on_another_content_is_told(client: Any, make_film: Any) -> None:
    video = make_film("P", "a.mp4", 20)
    before = client.get(f"{at(video)}/playback").json
    make_film("P", "a.mp4", 25)
    for address in (before["url"], f"{at(video)}/thumb/3.jpg?v={before['version']}"):
        answer = client.get(address)
        assert (answer.status_code, answer.json["error"]["code"]) == (409, "changed")
    assert client.get(f"{at(video)}/playback").json["version"] != before["version"]


def test_a_video_without_sound_has_no_curve(client: Any, make_film: Any) -> None:
    answer = client.get(f"{at(make_film('P', 'a.mp4', 20))}/peaks")
    assert (answer.status_code, answer.json["has_sound"], answer.json["peaks"]) == (200, False, [])


@pytest.mark.parametrize("query", ["points=0", "points=99999", "start=-1", "end=x", "start=nan"])
def test_a_range_that_makes_no_sense_is_refused(client: Any, make_film: Any, query: str) -> None:
    assert client.get(f"{at(make_film('P', 'a.mp4', 20))}/peaks?{query}").status_code == 422


def test_a_video_that_step2_has_not_measured_is_a_sentence_everywhere(client: Any, hostile_video: Video) -> None:
    for part in ("playback", "video", "thumb/0.jpg", "peaks"):
        answer = client.get(f"{at(hostile_video)}/{part}")
        assert (answer.status_code, answer.json["error"]["hint"]) == (424, "Run STEP2 on it.")


def test_a_video_that_is_not_there_is_unknown(client: Any, make_film: Any) -> None:
    video = make_film("P", "a.mp4", 20)
    for part in ("playback", "video", "thumb/0.jpg", "peaks"):
        assert client.get(f"{at(Video(video.project, 'b.mp4'))}/{part}").status_code == 404


def test_a_name_of_any_kind_is_played_and_seen(
    client: Any, make_film: Any, finish: Any, hostile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # STEP2 takes no name that is no UTF-8, but a project may be renamed when it has run.
    stem = hostile if os.fsencode(hostile).isascii() else "été"
    video = make_film("P", f"{stem}.mp4", 20)
    video = Video(type(video.project).at(video.root.rename(video.root.with_name(hostile))), video.name)
    assert client.get(client.get(f"{at(video)}/playback").json["url"], buffered=True).status_code == 200
    assert asked_until_ready(client, f"{at(video)}/thumb/7.jpg").data.startswith(b"\xff\xd8")
    monkeypatch.setattr(playable, "LONG_SIDE", 90)
    answer = asked_until_ready(client, f"{at(video)}/video")
    assert answer.status_code == 200 and answer.data[4:8] == b"ftyp"
    assert not any(sign in value for _, value in answer.headers for sign in "\n\r\x1b\u202e")
