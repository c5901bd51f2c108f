"""Hostile names and hostile media through STEP1 to STEP3: each passes or is refused with one sentence."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.sample import SampleShot, SampleVideo, render

pytestmark = pytest.mark.timeout(600)

#: Each is a file name; all are given the same one-second video.
NAMES = (
    "-i.mp4",
    "a:b.mp4",
    "concat:x.mp4",
    "$(id).mp4",
    ";rm.mp4",
    "%03d.mp4",
    "*.mp4",
    "two\nlines.mp4",
    "\"quoted\" 'twice'.mp4",
    "\u202egpj.mp4",
    "trailing space .mp4",
    "deux  espaces – l’été….mp4",
    "e\u0301 is not \u00e9.mp4",
    "+ ! [a].mp4",
    "--help.mp4",
    "x.mp4.mp4",
    "n" * 235 + ".mp4",
)
#: STEP1 refuses an archive with these (a drive letter, a control character); in a folder they are only names.
NOT_IN_ARCHIVES = ("a:b.mp4", "two\nlines.mp4")
TOO_LONG = "n" * 251 + ".mp4"
NOT_UTF8 = b"caf\xe9.mp4"


def test_hostile_names_pass_or_are_refused_with_a_sentence(shell: Any, tmp_path: Path) -> None:
    docs = shell.project_folder / "Noms" / "docs"
    clip = tmp_path / "clip.mp4"
    render(SampleVideo("clip", Fraction(25), (SampleShot(13, "hills"), SampleShot(12, "discs")), None), clip)
    drop_zip(shell, "Noms", {name: clip for name in NAMES if name not in NOT_IN_ARCHIVES})
    assert shell.step("STEP1").returncode == 0
    for name in (*NOT_IN_ARCHIVES, TOO_LONG):
        shutil.copy(clip, docs / name)
    shutil.copy(clip, docs / os.fsdecode(NOT_UTF8))

    converted = shell.step("STEP2")
    shots = shell.step("STEP3")

    assert (converted.returncode, shots.returncode) == (1, 1)
    assert "Traceback" not in converted.stdout + converted.stderr + shots.stdout + shots.stderr
    for name in NAMES:
        assert (docs / f"{Path(name).stem}.csv").is_file(), name
    refused = [line for line in converted.stdout.splitlines() if line.startswith("[ERROR]")]
    assert len(refused) == 2
    assert any("not valid UTF-8" in line for line in refused)
    assert any("shorter name" in line for line in refused)
    assert not any(line.startswith("lines.mp4") for line in converted.stdout.splitlines())


def drop_zip(shell: Any, project: str, files: dict[str, Path]) -> None:
    """Put a zip of files, under the names given, into the inbox."""
    inbox = shell.data / "inbox"
    inbox.mkdir(parents=True)
    with zipfile.ZipFile(inbox / f"{project}.zip", "w") as archive:
        for name, path in files.items():
            archive.write(path, f"{project}/{name}")


def playlist(path: Path) -> None:
    path.write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")


def hls(path: Path) -> None:
    path.write_text("#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n")


def session_description(path: Path) -> None:
    path.write_text("v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n")


def empty(path: Path) -> None:
    path.touch()


def noise(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 400)


def truncated(path: Path) -> None:
    whole = path.with_suffix(".whole")
    render(SampleVideo("whole", Fraction(25), (SampleShot(25, "hills"),), None), whole.with_suffix(".mp4.mkv"))
    data = whole.with_suffix(".mp4.mkv").read_bytes()
    whole.with_suffix(".mp4.mkv").unlink()
    path.write_bytes(data[:300])


BAD_MEDIA = (playlist, hls, session_description, empty, noise, truncated)


def test_hostile_media_are_refused_with_one_sentence_and_the_good_one_goes_on(shell: Any, tmp_path: Path) -> None:
    docs = shell.project_folder / "Médias" / "docs"
    for make in BAD_MEDIA:
        make(tmp_path / f"{make.__name__}.mp4")
    render(SampleVideo("good", Fraction(25), (SampleShot(25, "hills"),), None), tmp_path / "good.mp4")
    drop_zip(shell, "Médias", {path.name: path for path in tmp_path.glob("*.mp4")})
    assert shell.step("STEP1").returncode == 0

    run = shell.step("STEP2")

    assert run.returncode == 1
    assert "Traceback" not in run.stdout + run.stderr
    for make in BAD_MEDIA:
        said = [line for line in run.stdout.splitlines() if f"[ERROR] {make.__name__}.mp4: " in line]
        assert len(said) == 1, run.stdout
        record = docs.parent / ".workflow" / make.__name__ / "STEP2.failed.json"
        assert json.loads(record.read_text())["kind"] == "RefusedError"
        assert (docs / f"{make.__name__}.mp4").exists()
    assert shell.step("STEP3", str(docs / "good.mp4")).returncode == 0
    assert (docs / "good.csv").is_file()
