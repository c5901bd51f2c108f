"""Faces for a viewer: boxes to the frame, identities over any range."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.viewing.faces import BoxView, IdentityView, boxes, identities, presence
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.projects import Video


def test_boxes_are_those_of_the_very_frame(get: Any, write: Any, face: Any) -> None:
    write.faces([[face("obj_1", x=frame), face("obj_2", 100, speaks="SPEAKER_00")] for frame in range(10)])
    (third, fourth) = boxes(get("faces"), 3, 5)
    assert third[0] == BoxView("obj_1", 3, 5, 23, 35, 0.8765, False, 0.25, [], "face", "face_landmarker")
    assert (third[1].speaking, third[1].speaker) == (True, ["SPEAKER_00"])
    assert fourth[0].x0 == 4
    assert boxes(get("faces"), 9, 12)[1:] == [[], []]
    assert len(boxes(get("faces"), 48, 60)) == 2 and boxes(get("faces"), 60, 70) == []


def test_identities_tell_when_they_are_seen_and_speak(get: Any, write: Any, face: Any) -> None:
    one = [[face("obj_1", speaks="SPEAKER_00" if frame < 4 else "")] for frame in range(10)]
    write.faces([*one, [], [], [face("obj_2")], [face("obj_1")]])
    assert identities(get("faces")) == [
        IdentityView("obj_1", "face", 11, 0, 13, 4),
        IdentityView("obj_2", "face", 1, 12, 12, 0),
    ]


def test_spans_are_exact_where_there_is_room_and_few_where_there_is_not(get: Any, write: Any, face: Any) -> None:
    seen = [frame for frame in range(40) if frame % 10 < 6]
    write.faces(
        [[face("obj_1", speaks="SPEAKER_00" if frame < 3 else "")] if frame in seen else [] for frame in range(40)]
    )
    index = get("faces")
    exact = presence(index, 0, 50, 1000)
    assert exact.identities[0].spans == [(0, 6, 0.5), (10, 16, 0.0), (20, 26, 0.0), (30, 36, 0.0)]
    assert exact.anybody == exact.identities[0].spans
    for points in (1, 2, 5, 11):
        spans = presence(index, 0, 50, points).identities[0].spans
        assert len(spans) <= points and (spans[0][0], spans[-1][1]) == (0, 36)
    assert presence(index, 2, 12, 1000).identities[0].spans == [(2, 6, 0.25), (10, 12, 0.0)]
    assert presence(index, 6, 10, 1000).identities == [] == presence(index, 90, 99, 10).anybody


def test_anybody_is_seen_where_no_single_identity_is_all_the_time(get: Any, write: Any, face: Any) -> None:
    write.faces([[face(f"obj_{frame // 5}")] for frame in range(20)])
    found = presence(get("faces"), 0, 50, 1000)
    assert found.anybody == [(0, 20, 0.0)] and len(found.identities) == 4


def test_those_seen_most_come_first_and_the_others_are_counted(
    get: Any, write: Any, face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.viewing.faces.MOST", 2)
    write.faces([[face(f"obj_{number}") for number in range(1 + frame % 3)] for frame in range(30)])
    found = presence(get("faces"), 0, 50, 1000)
    assert ([one.id for one in found.identities], found.more) == (["obj_0", "obj_1"], 1)


def test_of_a_reduced_file_only_what_it_says_is_told(get: Any, video: Video) -> None:
    known = {"id": "obj_1", "centroid_x": 50, "source": "object_detector", "label": "chair", "confidence": None}
    entry = {"frame": 1, "tracked_objects": [{**known, "bbox_width": 20, "bbox_height": 30, "active_speakers": []}]}
    video.delivered("_tracking.json").write_text(json.dumps({"frames_analysis": [entry], "fps": 25}))
    (found,) = boxes(get("faces"), 0, 1)[0]
    assert (found.x0, found.x1, found.y0, found.y1) == (40, 60, None, None)
    assert (found.confidence, found.mouth, found.label) == (None, None, "chair")


def test_a_file_by_hand_need_not_be_written_frame_by_frame(get: Any, write: Any, face: Any, video: Video) -> None:
    write.faces([[face("obj_1")]])
    data = json.loads(video.delivered(".json").read_text())
    data["frames"][0]["tracked_objects"][0]["bbox_xmin"] = 11
    video.delivered(".json").write_text(json.dumps(data, indent=2))
    assert boxes(get("faces"), 0, 1)[0][0].x0 == 11


@pytest.mark.parametrize(
    "content",
    [
        '{"tracks": []}',
        "{",
        '{"frames": [{"frame": 2}]}',
        '{"frames": [{"frame": 1, "tracked_objects": [{"id": 1, "label": "a", "source": "b", "centroid_x": 1e30,'
        ' "bbox_xmin": 1e30, "bbox_ymin": 0, "bbox_xmax": 0, "bbox_ymax": 0}]}]}',
    ],
)
def test_a_file_that_is_damaged_is_named_with_the_reason(get: Any, video: Video, content: str) -> None:
    video.delivered(".json").write_text(content)
    with pytest.raises(WorkflowError, match=r"^a \.json: |a \.json"):
        get("faces")


def test_a_file_too_large_to_be_read_whole_is_refused(
    get: Any, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.viewing.build_faces.LARGEST_WHOLE", 10)
    video.delivered(".json").write_text(json.dumps({"frames": [{"frame": 1, "tracked_objects": []}]}))
    with pytest.raises(WorkflowError, match="too large to be shown"):
        get("faces")
