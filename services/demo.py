"""The demonstration: the whole pipeline on the sample, and what it found against what is truly there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from services import workflow
from services.pipeline import load_pipeline
from services.reports import StepReport, exit_code
from services.sample import SAMPLE, SampleVideo, write_sample
from services.scratch import use_scratch
from services.status import VideoStatus
from workflow_scripts.common.artifacts.audio import read_audio
from workflow_scripts.common.artifacts.scenes import read_scenes
from workflow_scripts.common.artifacts.tracking import read_tracking
from workflow_scripts.common.artifacts.transcripts import read_transcript
from workflow_scripts.common.paths import ROOT, output_folder
from workflow_scripts.common.projects import Video

PROJECT = "Exemple"
#: The share of the frames with a face in which one must be found.
FACE_COVERAGE = 0.9


@dataclass(frozen=True)
class Check:
    """One line of the comparison: what was looked for, what there is, what was found, and whether that will do."""

    video: str
    what: str
    truth: str
    found: str
    good: bool


@dataclass(frozen=True)
class DemoReport:
    """What the demonstration shows at its end."""

    checks: tuple[Check, ...]
    delivered: tuple[Path, ...]
    steps: tuple[StepReport, ...]
    videos: tuple[VideoStatus, ...]

    @property
    def exit_code(self) -> int:
        """0 when every step succeeded and every check is good."""
        return exit_code(self.steps) or (0 if all(check.good for check in self.checks) else 1)


def run_demo(folder: Path | None, show: Callable[[str], None]) -> DemoReport:
    """Make the sample in a folder of its own (`demo/`), run STEP1 to STEP7 on it and compare.

    The folder is emptied first, if an earlier demonstration made it.

    Raises:
        UsageError: the folder holds something else.
    """
    folder = use_scratch(folder or ROOT / "demo")
    show(f"Making the sample in {folder}")
    write_sample(folder / "inbox" / f"{PROJECT}.zip")
    pipeline = load_pipeline()
    steps = workflow.run(pipeline, workflow.request_of(pipeline), show)
    videos = workflow.statuses(pipeline, ()).get(PROJECT, [])
    checks = [check for truth in SAMPLE for check in _compare(truth, videos)]
    docs = output_folder() / PROJECT / "docs"
    delivered = sorted(docs.iterdir()) if docs.is_dir() else []
    return DemoReport(tuple(checks), tuple(delivered), tuple(steps), tuple(videos))


def _compare(truth: SampleVideo, videos: Sequence[VideoStatus]) -> list[Check]:
    found = next((row.video for row in videos if row.video.stem == Path(truth.name).stem), None)
    if found is None or not all(
        found.delivered(end).is_file() for end in (".csv", "_audio.json", "_tracking.json")
    ):
        return [Check(truth.name, "results", "3 files", "missing", False)]
    words = [words_check(truth, found)] if found.delivered("_transcript.json").is_file() else []
    return [_shots(truth, found), _speakers(truth, found), *words, _faces(truth, found)]


def _shots(truth: SampleVideo, video: Video) -> Check:
    found = [shot.start for shot in read_scenes(video.delivered(".csv"))][1:]
    hit = sum(any(abs(cut - there) <= 2 for there in found) for cut in truth.cuts)
    false = sum(not any(abs(cut - there) <= 2 for cut in truth.cuts) for there in found)
    return Check(
        truth.name,
        "shots",
        f"{len(truth.shots)} shots, {len(truth.cuts)} cuts",
        f"{len(found) + 1} shots, {hit} of {len(truth.cuts)} cuts, {false} false",
        hit == len(truth.cuts) and not false,
    )


def _speakers(truth: SampleVideo, video: Video) -> Check:
    audio = read_audio(video.delivered("_audio.json"))
    share = audio.speech_frames / len(audio.frames)
    there = "no sound" if truth.speakers is None else f"{truth.speakers} speakers"
    found = f"{len(audio.speakers)} speakers, speech in {share:.0%} of the frames"
    return Check(truth.name, "speakers", there, found, len(audio.speakers) == (truth.speakers or 0))


def words_check(truth: SampleVideo, video: Video) -> Check:
    """Whether every name that is spoken was recognised, and nothing where nobody speaks."""
    words = read_transcript(video.delivered("_transcript.json")).words
    text = " ".join(word.text.strip() for word in words)
    heard = [name for name in truth.names if name in text]
    return Check(
        truth.name,
        "words",
        f"among others: {', '.join(truth.names)}" if truth.names else "nothing is said",
        f"{len(words)} words" + (f", among them {', '.join(heard)}" if heard else ""),
        heard == list(truth.names) and bool(words) == bool(truth.names),
    )


def _faces(truth: SampleVideo, video: Video) -> Check:
    with_face = {
        index
        for index, objects in enumerate(read_tracking(video.delivered("_tracking.json")).frames())
        if any(item.label == "face" for item in objects)
    }
    there = set(truth.face_frames)
    coverage = len(there & with_face) / len(there)
    false = len(with_face - there)
    found = f"found in {coverage:.1%} of them, in {false} others"
    return Check(
        truth.name, "faces", f"a face in {len(there)} frames", found, coverage > FACE_COVERAGE and not false
    )
