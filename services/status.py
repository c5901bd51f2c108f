"""What is known of every video and step, read from manifests alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from workflow_scripts.common.errors import ArtifactError
from workflow_scripts.common.manifest import FileRecord, Manifest, read_manifest
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.run import read_failure

State = Literal["succeeded", "degraded", "failed", "outdated", "pending"]


@dataclass(frozen=True)
class StepStatus:
    """How one step stands for one video; `message` says why where it is not plainly good.

    `manifest` is that of the last time it finished, None where it never did.
    """

    state: State
    message: str = ""
    manifest: Manifest | None = None


@dataclass(frozen=True)
class VideoStatus:
    """One video and its steps, by key."""

    video: Video
    steps: dict[str, StepStatus]


def project_status(project: Project, keys: Sequence[str]) -> list[VideoStatus]:
    """The status of every video of a project; a video that waits for conversion appears under its own name."""
    videos = {video.stem: video for video in project.videos()}
    videos |= {video.stem: video for video in project.videos() if video.name == video.converted.name}
    return [video_status(video, keys) for video in videos.values()]


def video_status(video: Video, keys: Sequence[str]) -> VideoStatus:
    """The status of one video for the steps that work on videos (STEP1 works on archives)."""
    manifests = {key: read_manifest(video.workflow / f"{key}.json") for key in keys}
    known = {
        record.sha256
        for manifest in manifests.values()
        if manifest is not None
        for record in manifest.outputs.values()
        if record.matches(video.root)
    }
    return VideoStatus(video, {key: _status(video, key, found, known) for key, found in manifests.items()})


def _status(video: Video, key: str, manifest: Manifest | None, known: set[str]) -> StepStatus:
    try:
        failure = read_failure(video.workflow, key)
    except ArtifactError as error:
        return StepStatus("failed", str(error))
    if failure is not None:
        return StepStatus("failed", f"{failure['message']} {failure['hint']}".strip())
    if manifest is None:
        return StepStatus("pending")
    changed = [role for role, record in manifest.outputs.items() if not record.matches(video.root)]
    if changed:
        return StepStatus("outdated", f"output missing or changed: {', '.join(changed)}", manifest)
    changed = [role for role, record in manifest.inputs.items() if not _is_current(record, video, known)]
    if changed:
        return StepStatus("outdated", f"input changed: {', '.join(changed)}", manifest)
    return StepStatus(manifest.state, manifest.complaints, manifest)


def _is_current(record: FileRecord, video: Video, known: set[str]) -> bool:
    """Whether an input is still what was read: an output some step stands by, or an unchanged file."""
    return record.sha256 in known or record.matches(video.root)
