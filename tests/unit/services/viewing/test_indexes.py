"""Indexes: made once, thrown away when the artifact changes, never half there."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from services.projects import UnknownName
from services.viewing import building
from services.viewing.faces import boxes
from services.viewing.index import Index
from services.viewing.indexes import Indexes
from services.viewing.jobs import Preparing
from services.viewing.shots import shots
from services.viewing.sources import find_viewed
from workflow_scripts.common.earlier import hold
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.projects import Video


def folder_of(video: Video) -> Path:
    """Where the indexes of a video are."""
    return video.workflow / "viewer" / "index"


def test_a_new_result_is_indexed_anew_and_the_old_index_goes(get: Any, write: Any, video: Video) -> None:
    write.shots(20)
    assert len(shots(get("shots"))) == 2
    before = set(folder_of(video).iterdir())
    write.shots(20, 40)
    assert len(shots(get("shots"))) == 3
    after = set(folder_of(video).iterdir())
    assert len(after) == 1 and not before & after


def test_a_kept_index_is_read_again_without_the_artifact(get: Any, write: Any, face: Any, indexes: Indexes) -> None:
    write.faces([[face("obj_1")]])
    get("faces")
    again = Indexes(indexes._jobs).get(write.video, "faces", wait_s=0)
    assert isinstance(again, Index) and boxes(again, 0, 1)[0][0].id == "obj_1"


def test_a_damaged_index_is_made_again(get: Any, write: Any, video: Video, indexes: Indexes) -> None:
    write.shots(20)
    get("shots")
    (path,) = folder_of(video).iterdir()
    (path / "shots.npy").write_bytes(b"half")
    found = Indexes(indexes._jobs).get(video, "shots", wait_s=60)
    assert isinstance(found, Index) and len(shots(found)) == 2


def test_large_artifacts_are_read_in_a_process_of_its_own(
    get: Any, write: Any, face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.viewing.indexes._OWN_PROCESS_FROM", 0)
    write.faces([[face("obj_1")]])
    assert boxes(get("faces"), 0, 1)[0][0].id == "obj_1"
    write.video.delivered(".json").write_text('{"tracks": []}')
    for _ in range(2):
        with pytest.raises(WorkflowError, match=r"a \.json.* holds no list of frames"):
            get("faces")


def test_while_it_is_being_read_one_is_told_how_far_it_is(
    indexes: Indexes, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    original = building.build

    def slowly(kind: Any, files: Any, target: Path, tell: Any) -> None:
        tell(0.25)
        begun.set()
        assert go.wait(60)
        original(kind, files, target, tell)

    monkeypatch.setattr("services.viewing.indexes.build", slowly)
    write.shots(20)
    indexes.get(write.video, "shots", wait_s=0)
    assert begun.wait(60)
    assert indexes.get(write.video, "shots", wait_s=0) == Preparing("shots", 0.25)
    go.set()
    assert isinstance(indexes.get(write.video, "shots", wait_s=60), Index)


def test_an_artifact_that_changes_while_it_is_read_is_read_again(
    get: Any, write: Any, video: Video, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = building.build
    calls: list[str] = []

    def overtaken(kind: Any, files: Any, target: Path, tell: Any) -> None:
        original(kind, files, target, tell)
        if not calls:
            write.shots(10, 20, 40)
        calls.append(kind)

    monkeypatch.setattr("services.viewing.indexes.build", overtaken)
    write.shots(20)
    assert len(shots(get("shots"))) == 4
    assert len(calls) == 2 and len(list(folder_of(video).iterdir())) == 1


def test_an_earlier_result_has_an_index_of_its_own(get: Any, write: Any, video: Video) -> None:
    write.shots(20)
    hold(video.workflow, video.root, "STEP3")
    for path in (video.delivered(".csv"), video.workflow / "shots.json"):
        path.unlink()
    write.shots(20, 40, finished="2026-02-01T00:00:00.000+00:00")
    assert len(shots(get("shots"))) == 3
    assert len(shots(get("shots", "20260101T000001000"))) == 2
    assert len(list(folder_of(video).iterdir())) == 2
    with pytest.raises(UnknownName):
        get("shots", "../../STEP3")


def test_the_index_of_an_earlier_result_goes_with_it(get: Any, write: Any, video: Video) -> None:
    write.shots(20)
    hold(video.workflow, video.root, "STEP3")
    write.shots(20, 40, finished="2026-02-01T00:00:00.000+00:00")
    get("shots", "20260101T000001000")
    shutil.rmtree(video.workflow / "earlier" / "STEP3" / "20260101T000001000")
    get("shots")
    assert [path.name.partition("-")[0] for path in folder_of(video).iterdir()] == ["shots.now"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_where_nothing_can_be_written_a_sentence_says_so(get: Any, write: Any, video: Video) -> None:
    write.shots(20)
    video.workflow.chmod(0o500)
    with pytest.raises(WorkflowError, match="cannot be prepared"):
        get("shots")


def test_a_file_where_the_indexes_belong_is_told_as_a_sentence(get: Any, write: Any, video: Video) -> None:
    write.shots(20)
    (video.workflow / "viewer").write_text("in the way")
    with pytest.raises(WorkflowError, match="cannot be prepared"):
        get("shots")


def test_what_failed_for_want_of_space_is_tried_again(
    get: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*what: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write.shots(20)
    with monkeypatch.context() as patched:
        patched.setattr("services.viewing.indexes.build", full)
        with pytest.raises(WorkflowError, match="No space left on device"):
            get("shots")
    assert len(shots(get("shots"))) == 2


def test_a_video_is_found_by_its_own_name_or_by_that_of_its_conversion(video: Video) -> None:
    assert find_viewed(video.project, "a .mp4") == video
    waiting = Video(video.project, "b.mov")
    waiting.path.write_bytes(b"waits for conversion")
    assert find_viewed(video.project, "b.mov") == find_viewed(video.project, "b.mp4") == waiting
    (video.project.docs / "a .mov").write_bytes(b"a leftover")
    for hidden in ("a .mov", "c.mp4", "a .csv", "..", "a~00.mp4"):
        with pytest.raises(UnknownName):
            find_viewed(video.project, hidden)
