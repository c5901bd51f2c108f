"""STEP6: the reduced files that the editing scripts read.

Writes docs/<stem>_tracking.json and docs/<stem>_audio.json, compact. The raw audio analysis that has the second
name until then moves to .workflow/<stem>/audio.raw.json.gz, so that the reduction can be redone.
"""

from __future__ import annotations

import gzip
import shutil
import sys
from pathlib import Path

from workflow_scripts.common.artifacts.audio import AudioAnalysis, read_audio, write_reduced_audio
from workflow_scripts.common.artifacts.tracking import (
    Alignment,
    TrackingFile,
    read_tracking,
    thinned_warning,
    write_reduced_tracking,
)
from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.manifest import Gate, move_output
from workflow_scripts.common.projects import Video
from workflow_scripts.common.step import Job, Result, VideoStep


class ReduceJson(VideoStep):
    """Reduction of what STEP4 and STEP5 found."""

    key = "STEP6"
    name = "reduce_json"
    version = "1"
    config = "step6_reduce.json"
    delivers = ("_tracking.json", "_audio.json")
    reads = {"audio": ("STEP4", "audio"), "tracking": ("STEP5", "tracking")}

    def process(self, item: Video, job: Job) -> Result:
        """Read both raw files, check them against the picture, write both reduced ones."""
        clock = job.clock
        with job.phase("read"):
            audio = read_audio(job.inputs["audio"])
            tracking = read_tracking(job.inputs["tracking"])
        if len(audio.frames) != clock.frames:
            reason = f"holds {len(audio.frames)} frames, the picture {clock.frames}."
            raise ArtifactError(job.inputs["audio"], reason, hint="Run STEP4 again for this video.")
        warnings = alignment_warnings(audio, tracking, clock)
        for warning in warnings:
            job.warn(f"{item.name}: {warning}")
        alignment = Alignment(clock, len(audio.frames), audio.fps or clock.fps, warnings)
        reduced_tracking, reduced_audio = item.delivered("_tracking.json"), item.delivered("_audio.json")
        job.progress(0, 2, "files")
        write_reduced_tracking(reduced_tracking, tracking.frames(), alignment)
        job.progress(1, 2, "files")
        raw_audio = keep_raw_audio(item, job.inputs["audio"])
        raw_size = unpacked_size(raw_audio)
        write_reduced_audio(reduced_audio, audio.frames, clock)
        job.progress(2, 2, "files")
        return Result(
            outputs={"tracking": reduced_tracking, "audio": reduced_audio},
            inputs={"audio": raw_audio},
            counts={"frames": clock.frames, "raw_audio_bytes": raw_size, "speakers": len(audio.speakers)},
            gates=(
                Gate.equals("sound frames / picture frames", len(audio.frames) / clock.frames, 1),
                Gate.equals("labels present wherever speech is", labelled_share(audio), 1),
                Gate.at_most("reduced audio size / raw", round(reduced_audio.stat().st_size / raw_size, 3), 0.99),
            ),
        )


def alignment_warnings(audio: AudioAnalysis, tracking: TrackingFile, clock: FrameClock) -> tuple[str, ...]:
    """What does not fit between sound, tracking and picture, one sentence each."""
    found = [thinned_warning(tracking.total_frames or clock.frames, clock.frames)]
    for what, fps in (("sound", audio.fps), ("tracking", tracking.fps)):
        if fps is not None and fps != clock.fps:
            found.append(
                f"the {what} was analysed at {float(fps):g} frames/s, the picture has {float(clock.fps):g}."
            )
    return tuple(text for text in found if text)


def labelled_share(audio: AudioAnalysis) -> float:
    """The share of speech frames that have at least one speaker label; 1 where nobody speaks."""
    spoken = [frame for frame in audio.frames if frame.speech]
    return sum(bool(frame.speakers) for frame in spoken) / len(spoken) if spoken else 1.0


def keep_raw_audio(video: Video, raw: Path) -> Path:
    """Move STEP4's analysis out of the way of the reduced one, and tell its manifest where it is now.

    The order makes it safe to be killed anywhere: the packed copy is complete before the manifest names it,
    and the delivered name is overwritten only afterwards. Packing is reproducible (no time, no name inside).
    """
    packed = video.workflow / "audio.raw.json.gz"
    if raw == packed:
        return packed
    with (
        raw.open("rb") as source,
        atomic_writer(packed, "wb") as stream,
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target)
    move_output(video.workflow / "STEP4.json", "audio", packed, video.root)
    return packed


def unpacked_size(packed: Path) -> int:
    """Bytes of the file inside a `.gz`."""
    with gzip.open(packed, "rb") as stream:
        return stream.seek(0, 2)


if __name__ == "__main__":
    sys.exit(main(ReduceJson(), __doc__))
