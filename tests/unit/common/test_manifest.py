"""Manifests: a step's work is done if and only if its manifest matches what is there now."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.manifest import (
    Fallback,
    FileRecord,
    Gate,
    Manifest,
    ModelRecord,
    Wanted,
    move_output,
    read_manifest,
    sha256_of,
)

MODEL = ModelRecord("net", "ab" * 32, "package")


class Done:
    """A finished step in a folder: an input, an output, and the manifest between them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.input, self.output = root / "in.mp4", root / "out .csv"
        self.input.write_bytes(b"picture")
        self.output.write_bytes(b"shots")
        self.path = root / ".workflow" / "STEP3.json"
        self.manifest = Manifest(
            step="STEP3",
            version="1",
            state="succeeded",
            inputs={"video": FileRecord.of(self.input, root)},
            outputs={"scenes": FileRecord.of(self.output, root)},
            parameters={"threshold": {"value": 0.5, "origin": "default"}},
            fingerprint={"threshold": 0.5},
            models=(MODEL,),
            device_asked="auto",
            device_used="cpu",
            fallbacks=(Fallback("cuda (batch 2)", "cpu", "CUDA out of memory"),),
            counts={"shots": 3},
            gates=(Gate.equals("frames", 1, 1), Gate("shortest", 12)),
            warnings=("a sentence.",),
            started="a",
            finished="b",
            seconds={"total": 1.5},
            peak_memory=100,
        )
        self.manifest.write(self.path)

    def reason(self, **wanted: Any) -> str | None:
        """Why there would be something to do."""
        now = Wanted(
            **{
                "version": "1",
                "inputs": {"video": FileRecord.of(self.input, self.root)},
                "fingerprint": {"threshold": 0.5},
                "models": (MODEL,),
                **wanted,
            }
        )
        return now.reason_to_run(read_manifest(self.path), self.root)


@pytest.fixture
def done(tmp_path: Path) -> Done:
    """A finished step."""
    return Done(tmp_path)


def test_a_manifest_read_back_is_the_one_that_was_written(done: Done) -> None:
    assert read_manifest(done.path) == done.manifest


def test_what_matches_is_done(done: Done) -> None:
    assert done.reason() is None


def test_without_a_manifest_nothing_is_done_whatever_lies_there(done: Done) -> None:
    done.path.unlink()
    assert done.reason() == "new"


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ({"version": "2"}, "step changed: version 1 to 2"),
        ({"fingerprint": {"threshold": 0.6}}, "parameter changed: threshold"),
        ({"fingerprint": {"threshold": 0.5, "more": 1}}, "parameter changed: more"),
        ({"fingerprint": {}}, "parameter changed: threshold"),
        ({"models": ()}, "model changed: net"),
        ({"models": (replace(MODEL, sha256="cd" * 32),)}, "model changed: net"),
        ({"models": (replace(MODEL, name="other"),)}, "model changed: net, other"),
        ({"inputs": {}}, "input changed: video"),
    ],
)
def test_each_kind_of_change_is_a_reason_that_names_it(done: Done, wanted: Mapping[str, Any], reason: str) -> None:
    assert done.reason(**wanted) == reason


def test_where_a_model_comes_from_is_no_reason(done: Done) -> None:
    assert done.reason(models=(replace(MODEL, source="a folder"),)) is None


def test_a_changed_input_is_a_reason(done: Done) -> None:
    done.input.write_bytes(b"another picture")
    assert done.reason() == "input changed: video"


@pytest.mark.parametrize("damage", ["changed", "emptied", "removed", "a folder"])
def test_an_output_that_is_not_as_written_is_a_reason(done: Done, damage: str) -> None:
    done.output.unlink()
    if damage == "a folder":
        done.output.mkdir()
    elif damage != "removed":
        done.output.write_bytes(b"" if damage == "emptied" else b"hands")
    assert done.reason() == "output missing or changed: scenes"


def test_touching_without_changing_is_no_reason(done: Done) -> None:
    for path in (done.input, done.output):
        os.utime(path, (1, 1))
    assert done.reason() is None


def test_an_unchanged_size_and_time_spares_reading_the_file(done: Done) -> None:
    record = FileRecord.of(done.input, done.root)
    known = replace(record, sha256="known")
    assert FileRecord.of(done.input, done.root, known) is known
    os.utime(done.input, ns=(0, record.mtime_ns + 1))
    assert FileRecord.of(done.input, done.root, known).sha256 == record.sha256


def test_the_project_may_move_as_a_whole(done: Done, tmp_path: Path) -> None:
    there = tmp_path.parent / f"{tmp_path.name} moved"
    done.root.rename(there)
    manifest = read_manifest(there / ".workflow" / "STEP3.json")
    assert manifest is not None
    assert manifest.inputs["video"].matches(there) and manifest.outputs["scenes"].matches(there)
    there.rename(tmp_path)


def test_a_packed_file_is_recorded_by_what_is_inside(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"content"))
    assert sha256_of(tmp_path / "a.gz") == sha256_of(tmp_path / "a")


@pytest.mark.parametrize("damage", ["cut", "flipped", "garbage", "empty"])
def test_a_packed_file_that_cannot_be_unpacked_does_not_match(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(os.urandom(1000)))
    record = FileRecord.of(path, tmp_path)
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    damaged = {"cut": bytes(content[:300]), "flipped": bytes(content), "garbage": b"x" * 50, "empty": b""}
    path.write_bytes(damaged[damage])
    assert not record.matches(tmp_path)


def test_an_output_that_was_packed_elsewhere_is_known_there(done: Done) -> None:
    packed = done.root / ".workflow" / "out.csv.gz"
    packed.write_bytes(gzip.compress(done.output.read_bytes()))
    done.output.unlink()
    move_output(done.path, "scenes", packed, done.root)
    manifest = read_manifest(done.path)
    assert manifest is not None
    assert manifest.outputs["scenes"].located(done.root) == packed
    assert done.reason() is None


def test_another_content_or_output_is_not_moved(done: Done) -> None:
    other = done.root / "other.csv"
    other.write_bytes(b"other shots")
    with pytest.raises(ArtifactError, match=r"other\.csv: is not the same content"):
        move_output(done.path, "scenes", other, done.root)
    with pytest.raises(ArtifactError, match="has no output 'audio'"):
        move_output(done.path, "audio", done.output, done.root)
    with pytest.raises(ArtifactError, match="has no output 'scenes'"):
        move_output(done.path.with_name("STEP9.json"), "scenes", done.output, done.root)
    assert read_manifest(done.path) == done.manifest


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"step": "STEP3"}', b"null"])
def test_a_damaged_manifest_means_not_done(done: Done, content: bytes) -> None:
    done.path.write_bytes(content)
    assert read_manifest(done.path) is None
    assert done.reason() == "new"


def test_a_manifest_of_another_generation_means_not_done(done: Done) -> None:
    data = asdict(done.manifest)
    for changed in (
        {**data, "more": 1},
        {k: v for k, v in data.items() if k != "gates"},
        {**data, "state": "fine"},
    ):
        done.path.write_text(json.dumps(changed))
        assert read_manifest(done.path) is None


VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([]) | st.just({"a": 1})
)


@given(data=st.data())
def test_a_wrong_value_anywhere_means_not_done_and_is_no_error(tmp_path_factory: Any, data: st.DataObject) -> None:
    done = Done(tmp_path_factory.mktemp("project"))
    content = json.loads(done.path.read_text())
    place: Any = content
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
            break
        place = place[key]
    done.path.write_text(json.dumps(content))
    reason = done.reason()
    assert reason is None or isinstance(reason, str)


@given(st.floats(0, 100), st.floats(0, 100))
def test_gates_say_whether_their_figure_is_within_the_limit(value: float, limit: float) -> None:
    assert Gate.at_most("a", value, limit).passed == (value <= limit)
    assert Gate.at_least("a", value, limit).passed == (value >= limit)
    assert Gate.equals("a", value, limit).passed == (value == limit)
    assert Gate("a", value).passed is None
