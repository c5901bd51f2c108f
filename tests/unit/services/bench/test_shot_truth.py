"""Reading `truth.json`: what it says, and what is told when it cannot be understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from services.bench.shot_truth import CutTruth, load_truth
from workflow_scripts.common.errors import UsageError

SHARED_MEDIA = Path(__file__).parents[5] / "shared" / "media"


def folder_with(tmp_path: Path, cuts: Any) -> Path:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "truth.json").write_text(json.dumps(cuts if isinstance(cuts, str) else {"cuts": cuts}))
    return tmp_path


def test_all_fields_are_read_and_those_for_people_are_left_alone(tmp_path: Path) -> None:
    entry = {
        "hard": [5, 9],
        "gradual": [[20, 30, "dissolve"], [40, 40]],
        "optional": [9],
        "ambiguous": [50],
        "frames": 60,
        "sure": "nearly",
        "hard_t": [0.2],
    }
    truth = load_truth(folder_with(tmp_path, {"a.mp4": entry}))["a.mp4"]
    assert truth == CutTruth((5, 9), ((20, 30), (40, 40)), (9, 50), 60, "nearly")
    assert truth.certain().hard == (5,)
    assert truth.moved(lambda index: 2 * index) == CutTruth(
        (10, 18), ((40, 60), (80, 80)), (18, 100), None, "nearly"
    )


def test_only_hard_and_gradual_are_needed(tmp_path: Path) -> None:
    assert load_truth(folder_with(tmp_path, {"a.mp4": {"hard": [], "gradual": []}})) == {"a.mp4": CutTruth()}


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ([], 'needs "hard" and "gradual"'),
        ({"hard": []}, 'needs "hard" and "gradual"'),
        ({"hard": 3, "gradual": []}, '"hard" is 3, not a list of frame indices'),
        ({"hard": [1.5], "gradual": []}, '"hard" is [1.5]'),
        ({"hard": [True], "gradual": []}, '"hard" is [True]'),
        ({"hard": [], "gradual": [], "optional": [-1]}, '"optional" is [-1]'),
        ({"hard": [], "gradual": [7]}, '"gradual" holds 7, not [first, last]'),
        ({"hard": [], "gradual": 7}, '"gradual" holds 7, not [first, last]'),
        ({"hard": [], "gradual": [[9, 7]]}, '"gradual" holds [9, 7]'),
        ({"hard": [], "gradual": [], "frames": "many"}, "\"frames\" is 'many', not a number of frames"),
    ],
)
def test_a_garbled_entry_is_told_with_its_video(tmp_path: Path, entry: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_truth(folder_with(tmp_path, {"a.mp4": entry}))
    assert f"truth.json: a.mp4: {told}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"{", "not JSON"),
        (b"\xff", "not JSON in UTF-8"),
        (b"[]", 'no object "cuts"'),
        (b'{"cuts": []}', 'no object "cuts"'),
    ],
)
def test_a_garbled_file_is_told(tmp_path: Path, text: bytes, told: str) -> None:
    (tmp_path / "truth.json").write_bytes(text)
    with pytest.raises(UsageError, match=told):
        load_truth(tmp_path)


def test_a_missing_file_and_a_missing_video_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"truth\.json: cannot be read: No such file"):
        load_truth(tmp_path)
    entry: dict[str, list[int]] = {"hard": [], "gradual": []}
    with pytest.raises(UsageError, match=r"names videos that are not in the folder: b\.mp4\."):
        load_truth(folder_with(tmp_path, {"a.mp4": entry, "b.mp4": entry}))


@pytest.mark.skipif(not SHARED_MEDIA.is_dir(), reason="the shared media are not on this machine")
def test_the_truth_of_the_shared_media_is_understood() -> None:
    truths = load_truth(SHARED_MEDIA)
    assert sum(len(truth.hard) for truth in truths.values()) == 33
    assert sum(len(truth.gradual) for truth in truths.values()) == 24
