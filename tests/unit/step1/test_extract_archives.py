"""The step as operators start it: exit codes, what moves, what stays, what a killed run leaves to the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.atomic import temporary_path

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def run(work: Any) -> Any:
    """Runs the script on the workplace."""

    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "WORKFLOW_DATA_DIR": str(work.inbox.parent), "PYTHONPATH": str(REPOSITORY)}
        script = REPOSITORY / "workflow_scripts" / "step1" / "extract_archives.py"
        return subprocess.run(
            [sys.executable, str(script), "--keep-free-gb", "0", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return start


def test_good_sources_move_and_bad_ones_stay_and_the_exit_code_tells(run: Any, work: Any, make: Any) -> None:
    make.zip(work.inbox / "Good.zip", {"a.mp4": b"video"})
    make.zip(work.inbox / "Bad.zip", {"../a.mp4": b"video"})
    (work.inbox / "clip.mov").write_bytes(b"video")
    (work.inbox / "Folder").mkdir()
    (work.inbox / "Folder" / "b.mkv").write_bytes(b"video")
    (work.inbox / "notes.txt").write_bytes(b"text")
    done = run()
    assert done.returncode == 1, done.stderr
    assert "Bad.zip: the entry '../a.mp4' points outside the archive" in done.stdout
    assert "notes.txt: neither an archive nor a video" in done.stdout + done.stderr
    assert work.left() == ["Folder", "Good", "clip"]
    assert sorted(p.name for p in work.inbox.iterdir()) == ["Bad.zip", "notes.txt", "processed"]
    assert sorted(p.name for p in (work.inbox / "processed").iterdir()) == ["Folder", "Good.zip", "clip.mov"]


def test_a_second_run_does_nothing(run: Any, work: Any, make: Any) -> None:
    make.zip(work.inbox / "Good.zip", {"a.mp4": b"video"})
    assert run().returncode == 0
    again = run()
    assert again.returncode == 0 and "TOTAL_VIDEOS_TO_PROCESS: 0" in again.stdout
    assert work.left() == ["Good"]


def test_the_manifest_holds_the_sha256_of_the_source(run: Any, work: Any, make: Any) -> None:
    from workflow_scripts.common.manifest import file_sha256

    digest = file_sha256(make.zip(work.inbox / "Good.zip", {"a.mp4": b"video"}))
    assert run().returncode == 0
    manifest = json.loads((work.projects / "Good" / ".workflow" / "STEP1.json").read_text())
    assert manifest["inputs"]["source"]["sha256"] == digest
    assert manifest["counts"] == {"files": 1, "bytes": 5, "videos": 1, "dropped": 0, "renamed": 0}


def test_a_run_killed_before_the_source_was_put_away_is_ended_by_the_next(run: Any, work: Any, make: Any) -> None:
    source = make.zip(work.inbox / "Good.zip", {"a.mp4": b"video"})
    work.extract(source)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    host = temporary_path(source).name.split("-")[1]
    half = work.projects / "Good" / ".workflow" / f".tmp-{host}-{ended.pid}-0123abcd"  # of its manifest
    half.touch()
    done = run()
    assert not half.exists()
    assert done.returncode == 0 and "was extracted before, as project Good" in done.stdout
    assert work.left() == ["Good"] and not source.exists()
    assert (work.inbox / "processed" / "Good.zip").exists()
    assert (work.projects / "Good" / ".workflow" / "STEP1.json").exists()


def test_a_source_named_on_the_command_line_stays_where_it_is(
    run: Any, work: Any, make: Any, tmp_path: Path
) -> None:
    make.zip(work.inbox / "Other.zip", {"a.mp4": b"video"})
    source = make.zip(tmp_path / "Show.zip", {"a.mp4": b"video"})
    done = run(str(source))
    assert done.returncode == 0 and work.left() == ["Show"] and source.exists()
    assert run("Other.zip").returncode == 0
    assert work.left() == ["Other", "Show"] and not (work.inbox / "Other.zip").exists()


def test_another_folder_can_be_the_inbox(run: Any, work: Any, make: Any, tmp_path: Path) -> None:
    (tmp_path / "incoming").mkdir()
    make.zip(tmp_path / "incoming" / "Show.zip", {"a.mp4": b"video"})
    assert run("--source-dir", str(tmp_path / "incoming")).returncode == 0
    assert (tmp_path / "incoming" / "processed" / "Show.zip").exists() and work.left() == ["Show"]


def test_an_unknown_source_is_a_usage_error(run: Any) -> None:
    done = run("nothing.zip")
    assert done.returncode == 2 and "nothing.zip: there is no such archive" in done.stderr


def test_an_empty_inbox_is_nothing_to_do(run: Any) -> None:
    assert run().returncode == 0


def test_names_cannot_forge_a_line_of_the_log(run: Any, work: Any, make: Any) -> None:
    make.zip(work.inbox / "x.zip", {"a\n[ERROR] all is lost\x1b[31m.mp4": b"video"})
    done = run()
    assert done.returncode == 1
    assert "\n[ERROR] all is lost" not in done.stdout and "\x1b" not in done.stdout
