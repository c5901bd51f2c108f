"""Whatever bytes a file holds: a reader gives a result, or an error that names the file. Never anything else."""

from __future__ import annotations

import gzip
import random
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_scripts.common.artifacts.audio import FrameAudio, read_audio, write_raw_audio, write_reduced_audio
from workflow_scripts.common.artifacts.files import load_json
from workflow_scripts.common.artifacts.rttm import read_rttm, write_rttm
from workflow_scripts.common.artifacts.scenes import read_scenes, write_scenes
from workflow_scripts.common.artifacts.tracking import (
    Alignment,
    TrackedObject,
    read_tracking,
    write_raw_tracking,
    write_reduced_tracking,
)
from workflow_scripts.common.artifacts.transitions import read_transitions, write_transitions
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.timeline import Shot, Transition, Turn

CLOCK = FrameClock(Fraction(25), 3)
FACE = TrackedObject("obj_1", "face", "face_landmarker", (1, 2, 30, 40), 15, 20, 0.9, {"jawOpen": 0.5})
AUDIO = [FrameAudio(True, ("SPEAKER_00",)), FrameAudio(False), FrameAudio(True)]
TRACKED = [[FACE], [], [FACE, FACE]]


def _read_tracking(path: Path) -> None:
    for _ in read_tracking(path).frames():
        pass


Reader = Callable[[Path], object]
#: What is written and what reads it.
KINDS: dict[str, tuple[Callable[[Path], None], Reader]] = {
    "x.csv": (lambda p: write_scenes(p, [Shot(0, 1), Shot(1, 3)], CLOCK), read_scenes),
    "raw_audio.json": (lambda p: write_raw_audio(p, "x.mp4", AUDIO, CLOCK), read_audio),
    "reduced_audio.json": (lambda p: write_reduced_audio(p, AUDIO, CLOCK), read_audio),
    "raw_tracking.json": (lambda p: write_raw_tracking(p, "/x.mp4", "m", TRACKED, CLOCK), _read_tracking),
    "reduced_tracking.json": (
        lambda p: write_reduced_tracking(p, TRACKED, Alignment(CLOCK, 3, Fraction(25))),
        _read_tracking,
    ),
    "shots.json": (
        lambda p: write_transitions(p, [Transition("hard", 1, 0, 1, 0.5)], {"single": [0.5, 0, 0]}, CLOCK),
        read_transitions,
    ),
    "x.rttm": (lambda p: write_rttm(p, "x.mp4", [Turn(0, 1, "A"), Turn(1, 2, "B")]), read_rttm),
}
READERS: tuple[Reader, ...] = (read_scenes, read_audio, _read_tracking, read_rttm, read_transitions, load_json)


def good(name: str) -> bytes:
    """The bytes of a whole file of a kind."""
    with tempfile.TemporaryDirectory() as folder:
        KINDS[name][0](Path(folder) / "x")
        return (Path(folder) / "x").read_bytes()


GOOD = {name: good(name) for name in KINDS}


def read_or_refuse(read: Reader, name: str, content: bytes) -> str | None:
    """Read bytes as a file; the sentence of the refusal, None when they were read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            read(path)
        except ArtifactError as error:
            assert str(error).startswith(f"{name}: ")
            assert len(str(error)) < 400
            return str(error)
    return None


@pytest.mark.parametrize("name", KINDS)
def test_a_file_cut_short_anywhere_is_refused_or_is_a_whole_one(name: str) -> None:
    content, read = GOOD[name], KINDS[name][1]
    assert read_or_refuse(read, name, content) is None
    whole = len(content.rstrip())
    steps = range(0, whole, max(1, whole // 60))
    refused = [read_or_refuse(read, name, content[:length]) is not None for length in steps]
    assert all(refused) or name in ("x.csv", "x.rttm")  # these hold a row a line: fewer rows are a file too


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=80)
@given(
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 3)), min_size=1, max_size=4
    )
)
def test_damaged_bytes_never_lead_to_another_error(name: str, changes: list[tuple[int, bytes, int]]) -> None:
    content, read = bytearray(GOOD[name]), KINDS[name][1]
    for place, new, length in changes:
        start = place % len(content) if content else 0
        content[start : start + length] = new
    read_or_refuse(read, name, bytes(content))


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=80)
@given(seed=st.integers(0, 2**32), value=st.sampled_from(["null", "-1", "1e999", "NaN", "[]", "{}", '"a"', "true"]))
def test_damaged_values_never_lead_to_another_error(name: str, seed: int, value: str) -> None:
    words = GOOD[name].decode().replace(":", ": ").replace(",", " ,").replace("}", " }").split(" ")
    words[random.Random(seed).randrange(len(words))] = value
    read_or_refuse(KINDS[name][1], name, " ".join(words).encode())


@pytest.mark.parametrize("read", READERS)
@given(content=st.binary(max_size=200))
def test_arbitrary_bytes_never_lead_to_another_error(read: Reader, content: bytes) -> None:
    read_or_refuse(read, "x.bin", content)
    read_or_refuse(read, "x.json.gz", content)
    read_or_refuse(read, "x.json.gz", b"\x1f\x8b\x08\x00" + content)


@pytest.mark.parametrize("name", ["raw_audio.json", "raw_tracking.json"])
@given(seed=st.integers(0, 2**32))
def test_a_packed_file_cut_short_or_flipped_never_leads_to_another_error(name: str, seed: int) -> None:
    chance = random.Random(seed)
    packed = bytearray(gzip.compress(GOOD[name]))
    place = chance.randrange(10, len(packed))
    assert read_or_refuse(KINDS[name][1], "x.json.gz", bytes(packed[:place])) is not None
    packed[place] ^= 1 << chance.randrange(8)
    read_or_refuse(KINDS[name][1], "x.json.gz", bytes(packed))


@pytest.mark.parametrize("read", READERS)
def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path, read: Reader) -> None:
    with pytest.raises(ArtifactError, match=r"none\.json: cannot be read \(it does not exist\)"):
        read(tmp_path / "none.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ArtifactError, match=r"folder\.json: cannot be read"):
        read(tmp_path / "folder.json")


@pytest.mark.parametrize("read", [read_audio, _read_tracking, load_json])
@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"a":' * 100_000, b'{"metadata": {}, "frames": [\n' + b"[" * 100_000 + b"\n]}\n"]
)
def test_json_nested_without_end_is_refused(read: Reader, content: bytes) -> None:
    assert read_or_refuse(read, "x.json", content) is not None


def test_json_with_an_enormous_number_is_refused() -> None:
    content = b'{"frames": [{"frame": ' + b"9" * 10_000 + b"}]}"
    assert "not valid JSON" in str(read_or_refuse(read_audio, "x.json", content))


def test_text_in_another_encoding_is_named_as_such() -> None:
    assert "not UTF-8" in str(read_or_refuse(read_audio, "x.json", '{"frames": "é"}'.encode("latin-1")))
