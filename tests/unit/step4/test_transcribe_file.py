"""transcribe.py with what is no sound, and where nothing can be written: sentences before any work is done."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from workflow_scripts.common.errors import PreconditionError, WorkflowError
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.settings import resolve
from workflow_scripts.step4 import transcribe_file
from workflow_scripts.step4.transcribe_file import check_folder
from workflow_scripts.step4.transcription_faster import FasterWhisper
from workflow_scripts.step4.transcription_parameters import PARAMETERS, Recognition
from workflow_scripts.step4.transcription_recognised import silent


def transcribe(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it as people do."""
    command = [sys.executable, transcribe_file.__file__, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


#: Runs it as on a machine whose GPU does one file, tells the first segment of the second, and then fails.
FAILING_GPU = """
import contextlib, sys
from workflow_scripts.common.artifacts.transcripts import Spoken
from workflow_scripts.common.errors import DeviceFault
from workflow_scripts.step4 import transcribe_file as it
from workflow_scripts.step4.transcription_parameters import Recognition
from workflow_scripts.step4.transcription_recognised import silent

def attempt(work, sound, rung):
    work._engine = ("cuda", type("Engine", (), {"compute_type": "float16"}))
    work.files = getattr(work, "files", 0) + 1
    work.teller.segment(Spoken(6.4, 8.0, "told by the GPU", (), 0.0, 0.0, 1.0))
    if work.files == 2:
        raise DeviceFault("CUDA error: an illegal memory access was encountered", out_of_memory=False)
    return silent(1.0, Recognition(), "made up")

it._Work._attempt = attempt
it.choose_device = lambda asked, grant: ("cuda", "")
it.gpu_in_use = lambda: "made up"
it.hold_gpu = lambda *words, **more: contextlib.nullcontext()
sys.exit(it.main())
"""


def silent_video(path: Path) -> Path:
    """A picture without sound."""
    with av.open(f"file:{path}", "w") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        container.mux([*picture.encode(frame), *picture.encode(None)])
    return path


def test_each_file_that_is_no_sound_is_a_sentence_and_the_others_are_done(
    tmp_path: Path, tiny_whisper: Path, sample_folder: Path
) -> None:
    (tmp_path / "text.mp3").write_text("no sound\n")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile secret.wav\n")
    (tmp_path / "folder").mkdir()
    silent_video(tmp_path / "picture.mp4")
    names = ("text.mp3", "empty.wav", "list.mp4", "folder", "picture.mp4", "none.wav")
    files = [*(tmp_path / name for name in names), sample_folder / "sample.wav"]
    done = transcribe(*files, "--model", tiny_whisper, "-o", tmp_path / "out")
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if not line.startswith("Initialisation")]
    assert told == [
        "text.mp3: cannot be read: it is damaged, cut off, or neither sound nor video.",
        "empty.wav: is empty (0 bytes).",
        "list.mp4: is a playlist that names other files, not a video.",
        f"{tmp_path}/folder: is a folder.",
        "picture.mp4: has no sound.",
        f"{tmp_path}/none.wav: there is no such file.",
    ]
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_a_name_that_is_too_long_for_its_transcript_is_told_before_anything_is_recognised(tmp_path: Path) -> None:
    check_folder(tmp_path / "new" / "folder", "talk")
    with pytest.raises(WorkflowError, match=r"cannot be written there \(File name too long\)"):
        check_folder(tmp_path, "x" * 250)
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WorkflowError, match=r"file: the transcript cannot be written there"):
        check_folder(tmp_path / "file", "talk")


def test_all_files_of_a_transcript_are_written_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = resolve(PARAMETERS, None, {})
    found = silent(3.0, Recognition(), "base")
    transcribe_file._write(Path("talk.wav"), found, params, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(before) == 4

    def full(files: dict[str, Path], *_: Any) -> None:
        files["transcript"].write_text("something else")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transcribe_file, "write_all", full)
    with pytest.raises(WorkflowError, match=r"cannot be written there \(No space left on device\)"):
        transcribe_file._write(Path("talk.wav"), found, params, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_whose_tokenizer_is_damaged_is_a_sentence(tmp_path: Path, tiny_whisper: Path) -> None:
    folder = shutil.copytree(tiny_whisper, tmp_path / "damaged")
    (folder / "tokenizer.json").write_text('{"x')
    with pytest.raises(PreconditionError, match=r"The speech model in .*damaged cannot be loaded"):
        FasterWhisper(folder, "cpu", "auto", 1)


def test_where_a_gpu_fails_the_rest_is_done_on_the_cpu_by_a_fresh_process_and_nothing_is_told_twice(
    tmp_path: Path, tiny_whisper: Path, sample_folder: Path
) -> None:
    files = [tmp_path / f"{name}.wav" for name in ("none", "one", "two", "three")]
    for path in files[1:]:
        shutil.copy(sample_folder / "sample.wav", path)
    words = [*map(str, files), "--model", str(tiny_whisper), "-o", str(tmp_path / "out"), "--json-lines"]
    command = [sys.executable, "-c", FAILING_GPU, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1  # one file is not there
    assert done.stderr.count("none.wav: there is no such file.") == 1
    assert "an illegal memory access was encountered; going on with cpu (batch 8, fresh process)" in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    ends = [(event["device"], Path(event["files"][0]).name) for event in events if event["event"] == "finished"]
    names = [f"{path.stem}_transcript.json" for path in files[1:]]
    assert ends == list(zip(("cuda", "cpu", "cpu"), names, strict=True))
    second = events[[event.get("file") for event in events].index("two.wav") :]
    told = [event["text"] for event in second if event["event"] == "segment"]
    assert told == ["told by the GPU", "Bonjour à tous."]  # the second is of the third file
