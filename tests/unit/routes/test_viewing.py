"""The data behind the page of a video, as programs get it."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from routes import viewing
from services.names import key_of
from services.viewing.indexes import Indexes
from services.viewing.jobs import Preparing
from workflow_scripts.common.artifacts.audio import frames_of_turns, write_raw_audio
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.artifacts.tracking import TrackedObject, write_raw_tracking
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript, Word, write_transcript
from workflow_scripts.common.artifacts.transitions import write_transitions
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.earlier import hold
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.projects import Video
from workflow_scripts.common.timeline import Shot, Transition, Turn

CLOCK = FrameClock(Fraction(25), 50)
AT = "/api/projects/P/videos/a.mp4/view"


@pytest.fixture
def client(app: Any) -> Any:
    """What asks an application, and waits until what it asks for has been read."""
    if "viewing" not in app.blueprints:
        app.register_blueprint(viewing.blueprint)
    return app.test_client()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, nothing is still being read when the answer comes."""
    get = Indexes.get
    monkeypatch.setattr(Indexes, "get", lambda self, *what, wait_s=0.0: get(self, *what, wait_s=60))


@pytest.fixture
def video(make_converted: Any) -> Video:
    """A video of 50 frames, 640x360, without sound."""
    made: Video = make_converted("P", "a.mp4")
    return made


def test_words_of_a_range_with_their_speakers(client: Any, video: Video) -> None:
    assert client.get(f"{AT}/words").status_code == 404
    words = (Word(0.2, 0.6, " Été", 0.9, "SPEAKER_01"), Word(0.6, 1.0, " fini.", 0.75))
    said = Spoken(0.2, 1.0, "Été fini.", words, -0.1, 0.0, 1.0)
    transcript = Transcript("fr", 0.9, "transcribe", "base", 2.0, (said,))
    write_transcript(video.delivered("_transcript.json"), transcript)
    assert client.get(f"{AT}/words?start=0.6&end=2").json == {
        "language": "fr",
        "words": [{"start": 0.6, "end": 1.0, "text": "fini.", "speaker": None, "probability": 0.75}],
    }
    assert client.get(f"{AT}/words").json["words"][0]["speaker"] == "SPEAKER_01"
    assert client.get(f"{AT}/words?start=-1").status_code == 422
    assert client.get(AT).json["available"]["words"] is True


def write_shots(video: Video, finish: Any, *cuts: int, **fields: Any) -> None:
    """What STEP3 leaves."""
    table, viewer = video.delivered(".csv"), video.workflow / "shots.json"
    edges = [0, *cuts, CLOCK.frames]
    write_scenes(table, [Shot(*pair) for pair in pairwise(edges)], CLOCK)
    scores = {"single": [0.5] * 50, "many": [0.25] * 50}
    write_transitions(viewer, [Transition("hard", cut, cut - 1, cut, 0.9) for cut in cuts], scores, CLOCK)
    finish(video, "STEP3", {"scenes": table, "transitions": viewer}, **fields)


def write_faces(video: Video, finish: Any) -> None:
    """What STEP5 leaves: one face that moves a pixel a frame and speaks in the first 10."""
    at = [(frame, 5, frame + 20, 35) for frame in range(50)]
    faces = [
        [TrackedObject("obj_1", "face", "face_landmarker", box, box[0] + 10, 20, 0.9, is_speaking=box[0] < 10)]
        for box in at
    ]
    write_raw_tracking(video.delivered(".json"), video.name, "engine", faces, CLOCK)
    finish(video, "STEP5", {"tracking": video.delivered(".json")})


def test_the_view_tells_the_clock_the_steps_and_what_there_is(client: Any, video: Video, finish: Any) -> None:
    write_shots(video, finish, 20, state="degraded", gates=(Gate.at_least("shots", 2, 3),))
    write_faces(video, finish)
    seen = client.get(AT).json
    clock = {name: seen[name] for name in ("fps", "frames", "duration", "width", "height", "has_sound")}
    assert clock == {"fps": 25, "frames": 50, "duration": 2, "width": 640, "height": 360, "has_sound": False}
    assert seen["available"] == {"shots": True, "scores": True, "turns": False, "words": False, "faces": True}
    assert (seen["preparing"], seen["problems"], seen["speakers"]) == (None, {}, [])
    identity = {"id": "obj_1", "label": "face", "frames": 50, "first": 0, "last": 49, "speaking_frames": 10}
    assert seen["identities"] == [identity]
    assert (seen["steps"]["STEP3"]["state"], seen["steps"]["STEP4"]["state"]) == ("degraded", "pending")
    assert seen["steps"]["STEP3"]["gates"] == [{"name": "shots", "value": 2, "limit": ">= 3", "passed": False}]
    assert seen["earlier"] == {"STEP3": [], "STEP4": [], "STEP5": []}


def test_every_range_is_had(client: Any, video: Video, finish: Any) -> None:
    write_shots(video, finish, 20)
    write_faces(video, finish)
    second = {"start": 20, "end": 50, "kind": "hard", "score": 0.9, "first": 19, "last": 20}
    assert client.get(f"{AT}/shots").json["shots"][1] == second
    scores = client.get(f"{AT}/scores?start=10&end=20&points=5").json
    assert scores == {"start": 10, "end": 20, "step": 2, "single": [0.5] * 5, "many": [0.25] * 5}
    faces = client.get(f"{AT}/faces?start=5&end=25").json
    spans = [[5, 25, 0.25]]
    assert faces == {"identities": [{"id": "obj_1", "spans": spans}], "more": 0, "anybody": spans}
    frames = client.get(f"{AT}/frames?start=9&end=11").json
    assert frames["start"] == 9 and [[box["x0"], box["speaking"]] for (box,) in frames["frames"]] == [
        [9, True],
        [10, False],
    ]


def test_turns_are_in_seconds(client: Any, video: Video, finish: Any) -> None:
    turns = (Turn(0.2, 0.6, "SPEAKER_00"),)
    audio = video.delivered("_audio.json")
    write_raw_audio(audio, video.name, frames_of_turns(turns, CLOCK), CLOCK)
    finish(video, "STEP4", {"audio": audio})
    turn = {"start": 0.2, "end": 0.6, "speaker": "SPEAKER_00", "score": None}
    assert client.get(f"{AT}/turns").json == {"turns": [turn], "speech": [[0.2, 0.6]]}
    assert client.get(f"{AT}/turns?start=0.6").json == {"turns": [], "speech": []}
    assert client.get(AT).json["speakers"] == [{"label": "SPEAKER_00", "seconds": 0.4, "share": 0.2}]


def test_an_edited_artifact_is_shown_as_it_is_and_said_to_be_outdated(
    client: Any, video: Video, finish: Any
) -> None:
    write_shots(video, finish, 20)
    assert len(client.get(f"{AT}/shots").json["shots"]) == 2
    write_scenes(video.delivered(".csv"), [Shot(0, 50)], CLOCK)
    assert len(client.get(f"{AT}/shots").json["shots"]) == 1
    assert client.get(AT).json["steps"]["STEP3"]["state"] == "outdated"


def test_what_does_not_fit_the_video_or_cannot_be_read_is_said(client: Any, video: Video, finish: Any) -> None:
    write_scenes(video.delivered(".csv"), [Shot(0, 60)], FrameClock(Fraction(25), 60))
    video.delivered(".json").write_text('{"tracks": []}')
    entries = [{"frame": number, "tracked_objects": []} for number in range(1, 27)]
    seen = client.get(AT).json
    assert seen["problems"]["shots"] == "It holds 60 frames, the video has 50."
    assert "holds no list of frames" in seen["problems"]["faces"] and seen["available"]["faces"] is False
    answer = client.get(f"{AT}/frames?end=10")
    assert answer.status_code == 500 and "holds no list of frames" in answer.json["error"]["message"]
    video.delivered(".json").write_text(json.dumps({"frames": entries}))
    assert "only 26 of 50 frames" in client.get(AT).json["problems"]["faces"]


def test_a_video_that_nobody_has_measured_has_no_clock(client: Any, video: Video) -> None:
    (video.workflow / "media.json").unlink()
    seen = client.get(AT).json
    assert (seen["fps"], seen["frames"], seen["has_sound"]) == (None, None, False)


def test_earlier_results_are_listed_shown_and_compared(client: Any, video: Video, finish: Any) -> None:
    def described(value: float) -> dict[str, Any]:
        return {"threshold": {"value": value, "origin": "default"}, "same": {"value": 1, "origin": "default"}}

    write_shots(video, finish, 20, parameters=described(0.5), device_used="cuda")
    hold(video.workflow, video.root, "STEP3")
    for path in (video.delivered(".csv"), video.workflow / "shots.json"):
        path.unlink()
    write_shots(video, finish, 20, 40, parameters=described(0.3), finished="2026-02-01T00:00:00.000+00:00")
    (before,) = client.get(AT).json["earlier"]["STEP3"]
    key = before["key"]
    assert (before["device"], before["changed"]) == ("cuda", {"threshold": [0.5, 0.3]})
    assert len(client.get(f"{AT}/shots?of={key}").json["shots"]) == 2
    assert len(client.get(f"{AT}/shots").json["shots"]) == 3
    found = client.get(f"{AT}/compare?step=STEP3&of={key}").json
    assert found["differences"] == [{"start": 40, "end": 41, "kind": "only_now"}]
    assert found["figures"][1] == {"name": "shots", "now": 3, "then": 2}
    assert client.get(f"{AT}/compare?step=STEP4&of={key}").status_code == 404


def test_while_something_is_read_the_answer_says_how_far_it_is(
    client: Any, video: Video, finish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_shots(video, finish, 20)
    monkeypatch.setattr(Indexes, "get", lambda *what, **how: Preparing("shots", 0.25))
    answer = client.get(f"{AT}/shots")
    assert (answer.status_code, answer.json) == (202, {"preparing": {"what": "shots", "share": 0.25}})
    seen = client.get(AT)
    assert (seen.status_code, seen.json["preparing"]["share"]) == (200, 0.25)
    assert seen.json["available"]["shots"] is True


@pytest.mark.parametrize(
    "question", ["frames?start=0&end=501", "frames?start=5&end=4", "frames", "scores?points=0"]
)
def test_a_question_that_cannot_be_meant_is_refused(client: Any, video: Video, question: str) -> None:
    assert client.get(f"{AT}/{question}").status_code == 422


@pytest.mark.parametrize("place", ["/api/projects/Q/videos/a.mp4/view", "/api/projects/P/videos/b.mp4/view"])
def test_what_does_not_exist_is_not_found(client: Any, video: Video, place: str) -> None:
    assert client.get(place).status_code == 404
    assert client.get(f"{AT}/shots").status_code == 404
    assert client.get(f"{AT}/frames?end=1&of=..").status_code == 404


def test_a_name_of_any_kind_can_be_viewed(client: Any, hostile: str, hostile_video: Video) -> None:
    write_scenes(hostile_video.delivered(".csv"), [Shot(0, 20), Shot(20, 50)], CLOCK)
    at = f"/api/projects/{key_of(hostile)}/videos/{key_of(hostile_video.name)}/view"
    assert client.get(at).json["available"]["shots"] is True
    assert len(client.get(f"{at}/shots").json["shots"]) == 2
    assert any(Path(hostile_video.workflow / "viewer" / "index").iterdir())
