"""STEP2: every video becomes constant 25 frames a second, upright, in square pixels; what already is stays."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_scripts.common.atomic import replace, temporary_path
from workflow_scripts.common.clock import WORKING_RATE
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import PreconditionError, RefusedError, ToolError
from workflow_scripts.common.ffmpeg import (
    STALL_S,
    Conversion,
    Progress,
    conversion_command,
    find_ffmpeg,
    has_filter,
    nvenc_works,
    run,
)
from workflow_scripts.common.manifest import FileRecord, Gate
from workflow_scripts.common.media import MediaInfo, probe, write_media
from workflow_scripts.common.projects import (
    LONGEST_ARTIFACT_SUFFIX,
    Project,
    Video,
    find_videos,
    is_video_name,
)
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, Step
from workflow_scripts.step2.originals import put_in_place, read_conversion, restore, settle, source_of
from workflow_scripts.step2.plan import Convert, Untouched, plan
from workflow_scripts.step2.verify import gates, require_usable

DESCRIPTION = f"""{__doc__}

Each video in docs/ is decoded once and measured. One that is constant 25 fps H.264 yuv420p MP4, upright, with
square pixels and at most one sound track is left untouched. Any other is converted and checked; the source moves
to originals/, the result is docs/<name>.mp4. What was measured goes to .workflow/<name>/media.json.
"""
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


class ConvertVideos(Step[Video]):
    """Measure, decide, convert, check, replace."""

    key = "STEP2"
    name = "convert_videos"
    version = "1"
    config = "step2_convert.json"
    parameters = (
        Parameter("crf", int, 18, "quality of the picture, lower is better and larger", minimum=0, maximum=40),
        Parameter("preset", str, "veryfast", "how long libx264 thinks about each picture", choices=PRESETS),
        Parameter(
            "encoder", str, "auto", "what encodes the picture; auto is NVENC where it works, else libx264",
            choices=("auto", "libx264", "h264_nvenc"),
        ),
        Parameter(
            "threads", int, 8, "threads of libx264, whose result depends on their number", minimum=1, maximum=64
        ),
        Parameter(
            "stall_s", float, STALL_S, "seconds without progress after which ffmpeg is ended",
            minimum=1, affects_result=False,
        ),
        Parameter(
            "measure_limit_s", float, 14400.0, "seconds that decoding one video for measuring may take",
            minimum=1, affects_result=False,
        ),
    )  # fmt: skip

    def find(self, targets: Sequence[str], params: Settings) -> list[Video]:
        """The videos that targets name; a source that has been replaced stands for its result."""
        videos = find_videos([_present_name(target) for target in targets])
        return list(dict.fromkeys(video.converted if settle(video) else video for video in videos))

    def inputs(self, item: Video) -> Mapping[str, FileRecord]:
        """The source: the file in `docs/`, or the original that it was made from.

        Raises:
            RefusedError: the name cannot be used, or another video has the same stem.
        """
        _check_name(item)
        return {"source": source_of(item)}

    def check(self, params: Settings) -> None:
        """Make sure that ffmpeg, and NVENC when it is asked for, are there."""
        find_ffmpeg()
        if params.encoder == "h264_nvenc" and not nvenc_works():
            raise PreconditionError("NVENC does not work here.", hint="Use --encoder auto or libx264.")

    def process(self, item: Video, job: Job) -> Result:
        """Measure the video; convert and check it unless it already is as it should be."""
        source = job.inputs["source"]
        with job.phase("measure"):
            info = probe(source, time_limit_s=job.params.measure_limit_s, progress=_counted(job))
        can_tone_map = has_filter("zscale") and has_filter("tonemap")
        decision = plan(info, suffix=source.suffix[1:], can_tone_map=can_tone_map)
        for text in decision.warnings:
            job.warn(text)
        if isinstance(decision, Untouched):
            return _leave(item, source, info, job)
        return self._convert(item, source, info, decision, job)

    def _convert(self, item: Video, source: Path, info: MediaInfo, work: Convert, job: Job) -> Result:
        target = item.converted
        job.log.info("%s: converting, because of %s", item.name, ", ".join(work.reasons))
        partial = temporary_path(target.path, ".mp4")
        try:
            with job.phase("encode"):
                encoder = _encode(source, partial, info, work, job)
            with job.phase("check"):
                result = probe(partial, time_limit_s=job.params.measure_limit_s, progress=_counted(job))
                require_usable(info.name, work, result)
                figures = gates(info, work, result, _sound_lags(source, info, partial, result, work))
            original = put_in_place(item, source, info.sha256, partial)
        finally:
            partial.unlink(missing_ok=True)
        counts = _counts(info, result.frames, work.reasons) | {"encoder": encoder}
        return _result(target, result, counts, original, figures)


def _present_name(target: str) -> str:
    """The target itself, or the result that has taken the place of the video that the target names."""
    path = Path(target)
    if path.exists() or not is_video_name(path.name):
        return target
    video = Video(Project.at(path.absolute().parent), path.name)
    conversion = read_conversion(video)
    replaced = conversion is not None and conversion.source == path.name and video.converted.path.is_file()
    return str(video.converted.path) if replaced else target


def _check_name(video: Video) -> None:
    raw = os.fsencode(video.stem)
    shown = os.fsencode(video.name).decode("utf-8", "backslashreplace")
    if shown != video.name:
        raise RefusedError(f"{shown}: its name is not valid UTF-8.", hint="Rename the file.")
    room = 255 - len(LONGEST_ARTIFACT_SUFFIX)
    if len(raw) > room:
        raise RefusedError(
            f"{video.name}: its name is {len(raw)} bytes long; with what is added to it {room} are possible.",
            hint="Give it a shorter name.",
        )
    same = sorted(v.name for v in video.project.videos() if v.stem == video.stem)
    first = video.converted.name if video.converted.name in same else same[0]
    if video.name != first:
        raise RefusedError(
            f"{video.name}: {first} has the same name, and their results would overwrite each other.",
            hint="Rename one of them.",
        )


def _counted(job: Job) -> Callable[[int], None]:
    return lambda frames: job.progress(frames, None, "frames measured")


def _encode(source: Path, target: Path, info: MediaInfo, work: Convert, job: Job) -> str:
    """Write the converted video; returns the encoder, libx264 also where NVENC fails for this video."""

    def encode(encoder: str) -> str:
        settings = Conversion(
            source=source,
            target=target,
            video=info.video_index,
            video_filters=work.video_filters,
            audio=work.sound.index if work.sound else None,
            audio_filters=work.sound_filters,
            audio_rate=work.sound_rate,
            audio_channels=work.sound_channels,
            keep_timestamps=work.keep_timestamps,
            sizes_may_change=work.sizes_may_change,
            encoder="h264_nvenc" if encoder == "h264_nvenc" else "libx264",
            quality=job.params.crf,
            preset="p5" if encoder == "h264_nvenc" else job.params.preset,
            threads=job.params.threads,
        )

        def show(state: Progress) -> None:
            job.progress(min(state.frames, work.frames), work.frames, "frames")

        run(conversion_command(settings), info.name, progress=show, stall_s=job.params.stall_s)
        return encoder

    if job.params.encoder != "libx264" and nvenc_works():
        try:
            return encode("h264_nvenc")
        except ToolError as error:
            job.warn(f"{info.name}: NVENC failed and libx264 takes over: {error.message}")
    return encode("libx264")


def _sound_lags(
    source: Path, info: MediaInfo, converted: Path, result: MediaInfo, work: Convert
) -> dict[str, float]:
    if work.sound is None or not result.audio or not work.keep_timestamps:
        return {}
    from workflow_scripts.step2.sound_sync import lags, loudness

    before = loudness(source, work.sound.index, info.start, result.duration)
    after = loudness(converted, result.audio[0].index, result.start, result.duration)
    return lags(before, after)


def _leave(item: Video, source: Path, info: MediaInfo, job: Job) -> Result:
    """Keep a video as it is; only the suffix is spelled `.mp4`."""
    target = item.converted
    if source.parent == item.project.originals:
        restore(item, source)  # an earlier version of this step converted what is good as it was
    elif source.name != target.name:
        replace(source, target.path)
    job.log.info("%s: already as it should be", item.name)
    return _result(target, info, _counts(info, info.frames, ()), target.path, ())


def _counts(info: MediaInfo, frames: int, reasons: Sequence[str]) -> dict[str, Any]:
    return {
        "frames": frames,
        "duration_s": round(float(frames / WORKING_RATE), 3),
        "converted": bool(reasons),
        "reasons": list(reasons),
        "source_frames": info.frames,
        "source_fps": str(info.fps),
        "source_duration_s": round(float(info.duration), 3),
        "sound": info.has_sound,
    }


def _result(
    target: Video, media: MediaInfo, counts: dict[str, Any], source: Path, figures: Sequence[Gate]
) -> Result:
    path = target.workflow / "media.json"
    write_media(path, dataclasses.replace(media, name=target.name))
    outputs = {"video": target.path, "media": path}
    return Result(outputs=outputs, counts=counts, gates=figures, inputs={"source": source})


if __name__ == "__main__":
    sys.exit(main(ConvertVideos(), DESCRIPTION))
