"""STEP7: delivery.

Copies the finished files of each video into OUTPUT_DIR/<project>/docs/, verified, beside whatever lies there: a
file that was not delivered from here is never overwritten and nothing is deleted. The project itself stays,
unless --remove-source asks to remove the delivered video's files from it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from workflow_scripts.common.command_line import main
from workflow_scripts.common.manifest import FileRecord, Gate, Manifest, read_manifest
from workflow_scripts.common.paths import output_folder
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, VideoStep
from workflow_scripts.step7.delivery import deliver

PARAMETERS = (
    Parameter("output_dir", Path, None, "Folder to deliver to; not set is output/", env="OUTPUT_DIR"),
    Parameter("deliver_raw", bool, False, "Deliver the raw tracking of STEP5 too"),
    Parameter("remove_source", bool, False, "Remove the video's files from the project once delivered"),
)
#: The raw tracking is large and the editing scripts do not need it.
RAW_TRACKING = "STEP5.tracking"


class Finalize(VideoStep):
    """Verified delivery."""

    key = "STEP7"
    name = "finalize"
    version = "1"
    config = "step7_finalize.json"
    parameters = PARAMETERS
    reads = {"STEP6.tracking": ("STEP6", "tracking"), "STEP6.audio": ("STEP6", "audio")}

    def inputs(self, item: Video) -> Mapping[str, FileRecord]:
        """Everything that finished steps left in `docs/` for the video; STEP6 must be among them."""
        found = dict(super().inputs(item))
        for manifest in finished_manifests(item):
            for role, record in manifest.outputs.items():
                if record.located(item.root).parent == item.project.docs and record.matches(item.root):
                    found.setdefault(f"{manifest.step}.{role}", record)
        del found["STEP2.video"]  # there already as "video"
        return found

    def left_to_do(self, item: Video, params: Settings) -> str | None:
        """A source that is to be removed and is still there, for a run may have been killed before it was."""
        return "source to be removed" if params.remove_source else None

    def process(self, item: Video, job: Job) -> Result:
        """Copy, verify, and remove the source when asked to."""
        folder = (job.params.output_dir or output_folder()) / item.project.name
        sources = [path for role, path in job.inputs.items() if role != RAW_TRACKING or job.params.deliver_raw]
        files = {source: folder / "docs" / source.name for source in sources}
        with job.phase("copy"):
            deliver(files, folder / ".workflow" / item.stem / "delivered.json")
        job.progress(len(files), len(files), "files")
        job.log.info("%s: delivered to %s", item.name, folder / "docs")
        size = sum(source.stat().st_size for source in sources)
        return Result(
            outputs={source.name.removeprefix(item.stem): place for source, place in files.items()},
            counts={"files": len(files), "bytes": size},
            gates=(Gate.equals("files delivered / files finished", len(files) / len(sources), 1),),
            cleanup=(lambda: remove_source(item)) if job.params.remove_source else None,
        )


def finished_manifests(video: Video) -> Sequence[Manifest]:
    """The manifests of the steps that are finished for a video, except STEP7's own."""
    paths = sorted(path for path in video.workflow.glob("STEP*.json") if not path.name.endswith(".failed.json"))
    manifests = [read_manifest(path) for path in paths if path.stem != "STEP7"]
    return [manifest for manifest in manifests if manifest is not None]


def remove_source(video: Video) -> None:
    """Remove what the pipeline knows to be this video's: its artifacts, its original, its records.

    Folders go when nothing is left in them; files of others stay.
    """
    for manifest in finished_manifests(video):
        for record in (*manifest.outputs.values(), *manifest.inputs.values()):
            path = record.located(video.root)
            if path.is_relative_to(video.root):
                path.unlink(missing_ok=True)
    shutil.rmtree(video.workflow)
    project = video.project
    if not any(project.workflow.glob("*/")):
        (project.workflow / "STEP1.json").unlink(missing_ok=True)
    for folder in (project.docs, project.originals, project.workflow, project.root):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


if __name__ == "__main__":
    sys.exit(main(Finalize(), __doc__))
