"""Projects in varied states, with the manifests and files that steps leave: the files are links to a few."""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.world.films import LENGTHS, Film, make_films
from workflow_scripts.common.artifacts.files import write_json
from workflow_scripts.common.manifest import Fallback, FileRecord, Gate, Manifest, ModelRecord, read_manifest
from workflow_scripts.common.media_info import write_media
from workflow_scripts.common.paths import data_folder, output_folder, projects_folder
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.run import failure_path

STEPS = tuple(f"STEP{number}" for number in range(2, 8))
NEEDS = {
    **{"STEP2": (), "STEP3": ("STEP2",), "STEP4": ("STEP2",), "STEP5": ("STEP3", "STEP4")},
    **{"STEP6": ("STEP4", "STEP5"), "STEP7": ("STEP6",)},
}
#: Names that real projects and videos have.
_TITLES = ("Émission", "Interview – été", "L’invité du soir", "Reportage", "Débat", "Talk show", "Portrait", "Film")
_VIDEOS = (
    "Plan large",
    "Caméra 2 ",
    "Entretien [fin]",
    "Générique+titres",
    "Rushes – soir…",
    "L’arrivée",
    "B-roll",
)
#: Project folders as people and attackers name them.
_ODD = (
    "spaces at the end  ",
    "quotes \" ' and <b>",
    "100%25 ~41 ?a=b#c&d;e",
    "été – ünï – 映画",
    "-dash.and..dots",
)
#: What went wrong with a video, by step: the sentence and the hint.
FAILURES = {
    "STEP2": ("the picture does not decode (Invalid data found at 00:00:12).", "The original is kept."),
    "STEP3": ("this machine has not enough memory for it.", ""),
    "STEP4": ("CUDA out of memory, and the CPU took longer than 600 s.", "Try again with --device cpu."),
    "STEP5": ("No space left on device (/data/projets_extraits).", "Check free space and permissions."),
    "STEP6": ("the sound has 2212 frames, the picture 2375.", "Run STEP4 again."),
    "STEP7": ("Permission denied (/output).", "Check free space and permissions."),
}
#: What makes a video degraded, by step.
POOR = {
    "STEP2": Gate("end of sound against picture (s)", 0.12, "<= 0.04", False),
    "STEP3": Gate("frames present / frames decoded", 0.998, "= 1", False),
    "STEP4": Gate("first detection against FP32 on the CPU (s)", 1.42, "<= 0.5", False),
    "STEP5": Gate("tracks that cross a cut", 2.0, "= 0", False),
    "STEP6": Gate("labels present wherever speech is", 0.97, "= 1", False),
    "STEP7": Gate("files delivered / files finished", 0.8, "= 1", False),
}
_PHASES = {
    "STEP2": ("measure", "encode", "check"),
    "STEP3": ("prepare", "network"),
    "STEP4": ("prepare", "decode", "diarize"),
    "STEP5": ("prepare", "faces", "measure"),
    "STEP6": ("read",),
    "STEP7": ("copy",),
}
#: Seconds of work for each second of video, and for each video.
PACE = {
    **{"STEP2": (0.11, 1.0), "STEP3": (0.08, 2.0), "STEP4": (0.21, 3.0)},
    **{"STEP5": (0.75, 1.5), "STEP6": (0.01, 0.1), "STEP7": (0.002, 0.2)},
}


@dataclass(frozen=True)
class MadeProject:
    """A project of the world: its folder's name, and its videos' names with their lengths in seconds."""

    name: str
    videos: tuple[tuple[str, int], ...]


def make_projects(count: int, videos: int, lengths: tuple[int, ...] = LENGTHS, seed: int = 1) -> list[MadeProject]:
    """Make projects of so many videos in the data folder, and one without any whose name is no UTF-8.

    The videos are of these lengths, in seconds.
    """
    chance = random.Random(seed)
    made = []
    data_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_folder(), prefix=".films-") as folder:  # links need one file system
        films = make_films(Path(folder), lengths)
        for number in range(count):
            odd = number % 40 == 20
            title = f"{number:03d} {_ODD[number // 40 % len(_ODD)] if odd else chance.choice(_TITLES)}"
            made.append(_make_project(title, videos, films, chance))
    (projects_folder() / os.fsdecode(b"200 caf\xe9 no utf-8") / "docs").mkdir(parents=True, exist_ok=True)
    return made


def work_seconds(step: str, length: float, chance: random.Random) -> float:
    """How long a step works on a video of some length, give or take."""
    pace, once = PACE[step]
    return (pace * length + once) * chance.lognormvariate(0, 0.25)


def _make_project(name: str, count: int, films: list[Film], chance: random.Random) -> MadeProject:
    folder = projects_folder() / name
    (folder / "docs").mkdir(parents=True)
    last = chance.choices(range(len(STEPS) + 1), (4, 5, 2, 2, 3, 2, 40))[0]
    videos = []
    for number in range(count):
        film = chance.choice(films)
        video = Video(Project(folder, folder / "docs"), f"{chance.choice(_VIDEOS)}{number + 1}.mp4")
        _Maker(video, film, chance).make(STEPS[:last])
        videos.append((video.name, film.seconds))
    return MadeProject(name, tuple(videos))


class _Maker:
    """Makes what steps leave of one video."""

    def __init__(self, video: Video, film: Film, chance: random.Random) -> None:
        self.video, self.film, self.chance = video, film, chance
        self.records: dict[str, FileRecord] = {}
        self.at = datetime.now(UTC) - timedelta(days=chance.uniform(0, 80))

    def make(self, steps: tuple[str, ...]) -> None:
        """Do these steps; what fails stops those that need it."""
        video = self.video
        video.workflow.mkdir(parents=True)
        self._link("video", video.path)
        done: set[str] = set()
        for step in steps:
            if not done.issuperset(NEEDS[step]):
                continue
            if self.chance.random() < 0.025:
                self._fail(step)
            else:
                self._finish(step)
                done.add(step)

    def _link(self, role: str, path: Path) -> FileRecord:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.hardlink_to(self.film.files[role])
        root = self.video.root
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        self.records[role] = replace(self.film.records[role], path=name)
        return self.records[role]

    def _fail(self, step: str) -> None:
        message, hint = FAILURES[step]
        record = {"step": step, "when": self.at.isoformat(timespec="milliseconds"), "kind": "VideoError"}
        told = {"message": f"{self.video.name}: {message}", "hint": hint, "retry": step == "STEP5"}
        write_json(failure_path(self.video.workflow, step), {**record, **told})

    def _finish(self, step: str) -> None:
        makers: dict[str, Callable[[], tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]]] = {
            **{"STEP2": self._convert, "STEP3": self._find_shots, "STEP4": self._listen},
            **{"STEP5": self._track, "STEP6": self._reduce, "STEP7": self._deliver},
        }
        inputs, outputs = makers[step]()
        if step != "STEP7" and self.chance.random() < 0.02:  # then it is out of date
            inputs = {role: replace(record, mtime_ns=0, sha256="0" * 64) for role, record in inputs.items()}
        degraded = self.chance.random() < 0.05
        fell = step in ("STEP3", "STEP4") and self.chance.random() < 0.06
        seconds = work_seconds(step, self.film.seconds, self.chance)
        begun, self.at = self.at, self.at + timedelta(seconds=seconds)
        share = 1 / len(_PHASES[step])
        phases = {name: round(seconds * share, 3) for name in _PHASES[step]}
        device = "cuda" if step in ("STEP3", "STEP4") and not fell else "cpu"
        good = replace(POOR[step], value=_value(POOR[step].limit), passed=True)
        manifest = Manifest(
            step=step,
            version="1",
            state="degraded" if degraded else "succeeded",
            inputs=inputs,
            outputs=outputs,
            parameters={"threshold": {"value": 0.4, "origin": "default"}} if step == "STEP3" else {},
            fingerprint={},
            models=(ModelRecord("made up", "0" * 64),) if step in ("STEP3", "STEP4", "STEP5") else (),
            device_asked="auto",
            device_used=device,
            fallbacks=(Fallback("cuda, batch 1", "cpu", "CUDA out of memory"),) if fell else (),
            counts=self._counts(step),
            gates=(POOR[step] if degraded else good,),
            warnings=("Going on with cpu: CUDA out of memory.",) if fell else (),
            started=begun.isoformat(timespec="milliseconds"),
            finished=self.at.isoformat(timespec="milliseconds"),
            seconds={**phases, "total": round(seconds, 3)},
            peak_memory=self.chance.randint(80, 900) * 1_000_000,
        )
        manifest.write(self.video.workflow / f"{step}.json")

    def _counts(self, step: str) -> dict[str, Any]:
        frames = {"frames": self.film.media.frames}
        counts: dict[str, dict[str, Any]] = {
            "STEP2": frames,
            "STEP3": {**frames, "shots": self.film.shots, "gradual": 0, "backend": "float32"},
            "STEP4": {"speakers": min(4, 1 + self.film.seconds // 20), "speech_share": 0.74, "sound": True},
            "STEP5": {**frames, "face_share": 0.9, "tracks": 1, "faces": round(0.9 * frames["frames"])},
            "STEP6": frames,
            "STEP7": {"files": 5, "bytes": 1_000_000},
        }
        return counts[step]

    def _convert(self) -> tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]:
        media = self.video.workflow / "media.json"
        write_media(media, replace(self.film.media, name=self.video.name))
        return {}, {"video": self.records["video"], "media": FileRecord.of(media, self.video.root)}

    def _find_shots(self) -> tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]:
        scenes = self._link("scenes", self.video.delivered(".csv"))
        transitions = self._link("transitions", self.video.workflow / "shots.json")
        return self._of("video"), {"scenes": scenes, "transitions": transitions}

    def _listen(self) -> tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]:
        outputs = {
            "audio": self._link("audio", self.video.delivered("_audio.json")),
            "rttm": self._link("rttm", self.video.delivered(".rttm")),
            "turns": self._link("turns", self.video.workflow / "turns.json"),
        }
        return self._of("video"), outputs

    def _track(self) -> tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]:
        return self._of("video", "scenes", "audio"), {
            "tracking": self._link("faces", self.video.delivered(".json"))
        }

    def _reduce(self) -> tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]:
        """As STEP6 does, with the raw sound packed and put aside, which STEP4's manifest then says."""
        self.video.delivered("_audio.json").unlink()
        packed = self._link("packed audio", self.video.workflow / "audio.raw.json.gz")
        told = self.video.workflow / "STEP4.json"
        listened = read_manifest(told)
        assert listened is not None
        replace(listened, outputs={**listened.outputs, "audio": packed}).write(told)
        outputs = {
            "tracking": self._link("reduced faces", self.video.delivered("_tracking.json")),
            "audio": self._link("reduced audio", self.video.delivered("_audio.json")),
        }
        return {"audio": packed, "tracking": self.records["faces"]}, outputs

    def _deliver(self) -> tuple[Mapping[str, FileRecord], Mapping[str, FileRecord]]:
        target = output_folder() / self.video.project.name / "docs" / self.video.name
        inputs = self._of("video", "reduced faces", "reduced audio")
        return inputs, {".mp4": self._link("video", target)}

    def _of(self, *roles: str) -> dict[str, FileRecord]:
        return {role: self.records[role] for role in roles}


def _value(limit: str) -> float:
    return float(limit.partition(" ")[2])
