"""The detectors of `benchmarks/shots` for real: each in its environment, on a video whose frames last unequally."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import pytest

from services.bench.scripts import lines_of, results_of
from services.bench.shot_detectors import SCRIPTS, chosen_detectors, detect
from services.environments import state
from services.sample import SampleShot, pictures
from workflow_scripts.common.errors import ToolError
from workflow_scripts.common.paths import ROOT

SHOTS = (SampleShot(40, "hills"), SampleShot(30, "discs"), SampleShot(30, "clouds"))
CUTS = (40, 70)
MILLISECONDS = (20, 60, 30)  # that a frame of each shot lasts
MB = 1_000_000


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A variable-rate video of three shots with a hostile name."""
    path = tmp_path_factory.mktemp("videos") / "-i l’été %03d.mp4"
    lengths = [length for shot, length in zip(SHOTS, MILLISECONDS, strict=True) for _ in range(shot.frames)]
    with av.open(f"file:{path}", "w") as container:
        stream: Any = container.add_stream("libx264", rate=50)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for index, picture in enumerate(pictures(SHOTS)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = sum(lengths[:index]), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_detector_counts_in_the_files_own_frames_and_measures_itself(name: str, uneven: Path) -> None:
    if not state(SCRIPTS[name].environment).ready:
        pytest.skip(f"{SCRIPTS[name].environment} is not made")
    (detector,) = chosen_detectors([name])
    found = detect(detector, uneven)
    assert found.frames == 100
    assert found.boundaries == (CUTS if detector.judged else ())
    assert 0 < found.seconds < found.process_seconds
    assert found.peak_memory > 15 * MB  # of a process this short the decoder may be gone before it is looked at


Run = Callable[[str], dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(body)`: what a detector prints whose function has this body."""

    def detector(body: str) -> dict[str, Any]:
        code = (
            "import subprocess, sys\n"
            "from benchmarks.shots.measured import Detection, report\n"
            "def detect(video, stopwatch):\n"
            f"    {body}\n"
            "report(detect)\n"
        )
        command = [sys.executable, "-c", code, "a.mp4"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return dict(json.loads(said))

    return detector


def test_peak_memory_is_that_of_the_process_and_of_its_largest_child(run: Run) -> None:
    alone = run("with stopwatch: return Detection(1)")["peak_memory"]
    own = run(f"with stopwatch: bytes(bytearray({100 * MB})); return Detection(1)")["peak_memory"]
    child = "[sys.executable, '-c', 'import time; x = bytearray(%d); time.sleep(%s)']"
    small, large = child % (30 * MB, 1.0), child % (100 * MB, 0.5)  # the large one has ended, unwaited for, before
    both = run(
        f"with stopwatch: [p.wait() for p in map(subprocess.Popen, [{small}, {large}])]; return Detection(1)"
    )["peak_memory"]
    assert alone < 60 * MB
    assert 100 * MB < own - alone < 250 * MB
    assert 100 * MB < both - alone < 130 * MB


def test_what_is_not_watched_is_not_measured(run: Run) -> None:
    said = run("import time; time.sleep(0.3); stopwatch.__enter__(); stopwatch.__exit__(None, None, None); "
               "time.sleep(0.3); return Detection(1, [1], [(0, 1, 'gradual')])")  # fmt: skip
    assert said["seconds"] < 0.3
    assert (said["boundaries"], said["transitions"]) == ([1], [[0, 1, "gradual"]])


def test_lines_come_as_soon_as_they_are_printed(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    code = f"print(1, flush=True)\nimport pathlib\nwhile not pathlib.Path({str(go_on)!r}).exists(): pass\nprint(2)"
    lines = lines_of((sys.executable, "-c", code), "it failed")
    assert next(lines) == "1\n"
    go_on.touch()
    assert list(lines) == ["2\n"]


def test_who_wants_no_more_lines_ends_the_command(tmp_path: Path) -> None:
    code = "import os\nprint(os.getpid(), flush=True)\nwhile True: pass"
    lines = lines_of((sys.executable, "-c", code), "it failed")
    process = psutil.Process(int(next(lines)))
    lines.close()
    assert not process.is_running()


def test_what_fails_is_told_with_its_last_words_after_what_it_printed() -> None:
    code = "import sys\nprint('{\"a\": 1}')\nprint('not this')\nsys.exit('no more\\n')"
    results = results_of((sys.executable, "-c", code), "it failed")
    assert next(results) == {"a": 1}
    with pytest.raises(ToolError, match=r"^it failed: no more$"):
        next(results)
    with pytest.raises(ToolError, match=r"^it failed: exit status 7$"):
        list(lines_of((sys.executable, "-c", "raise SystemExit(7)"), "it failed"))
