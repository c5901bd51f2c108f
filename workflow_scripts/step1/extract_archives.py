"""STEP1: archives become projects.

Takes every zip, tar (plain, gz, bz2, xz, zst) and 7z archive, every folder and every single video in inbox/ and
makes projets_extraits/<name>/docs/ of it. A source that is damaged, hostile or not completely copied stays where
it is and leaves nothing behind; one that came out completely moves to inbox/processed/. A project that exists
is never touched: the new one is called "<name> (2)". Sources named on the command line may lie anywhere; only
those in the inbox are moved.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import BlockedError, UsageError, VideoError
from workflow_scripts.common.manifest import FileRecord
from workflow_scripts.common.paths import inbox_folder, projects_folder
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, Step
from workflow_scripts.step1.extraction import ORIGIN, Extraction, extract
from workflow_scripts.step1.inbox import growing, put_away, record_of, sources_in
from workflow_scripts.step1.limits import Limits, in_words
from workflow_scripts.step1.members import shown

PARAMETERS = (
    Parameter("source_dir", Path, None, "Folder to look into instead of inbox/", affects_result=False),
    Parameter("max_entries", int, 10_000, "Entries an archive may hold", 1, 1_000_000, affects_result=False),
    Parameter("max_total_gb", float, 500.0, "GB an archive may unpack to", 0.001, affects_result=False),
    Parameter("max_file_gb", float, 200.0, "GB one file may unpack to", 0.001, affects_result=False),
    Parameter(
        "max_ratio",
        int,
        200,
        "How many times its own size an archive may unpack to, past the first 100 MB",
        2,
        affects_result=False,
    ),
    Parameter("keep_free_gb", float, 2.0, "GB of the disk that stay free", 0.0, affects_result=False),
)


@dataclass(frozen=True)
class Source:
    """An archive, a folder or a video to make a project of."""

    path: Path

    @property
    def name(self) -> str:
        """Its name, with suffix."""
        return self.path.name

    @property
    def root(self) -> Path:
        """The folder it lies in."""
        return self.path.parent

    @property
    def workflow(self) -> Path | None:
        """Not known: what the project will be called shows when it is made."""
        return None


class ExtractArchives(Step[Source]):
    """Extraction of what people drop into the inbox."""

    key = "STEP1"
    name = "extract_archives"
    version = "1"
    config = "step1_extract.json"
    parameters = PARAMETERS

    def __init__(self) -> None:
        self._inbox = inbox_folder()
        self._growing: set[Path] = set()
        self._records: dict[Path, FileRecord] = {}

    def find(self, targets: Sequence[str], params: Settings) -> list[Source]:
        """The sources that targets name (by path, or by name in the inbox); without targets, the inbox's."""
        self._inbox = (params.source_dir or inbox_folder()).absolute()
        if targets:
            paths = list(dict.fromkeys(self._located(target) for target in targets))
        else:
            paths, foreign = sources_in(self._inbox)
            for path in foreign:
                logging.getLogger("workflow").warning(
                    "%s: neither an archive nor a video; left in %s.", shown(path.name), self._inbox.name
                )
        self._growing = growing(paths)
        return [Source(path) for path in paths]

    def _located(self, target: str) -> Path:
        for path in (Path(target), self._inbox / target):
            if path.exists():
                return path.absolute()
        raise UsageError(
            f"{shown(target)}: there is no such archive, folder or video.", hint=f"The inbox is {self._inbox}."
        )

    def inputs(self, item: Source) -> Mapping[str, FileRecord]:
        """The source, read once for its sha256.

        Raises:
            BlockedError: it is still being copied.
            VideoError: it cannot be read.
        """
        if item.path in self._growing:
            raise BlockedError(f"{shown(item.name)}: it is still being copied.", hint="Run STEP1 again later.")
        if item.path not in self._records:
            try:
                self._records[item.path] = record_of(item.path)
            except OSError as error:
                raise VideoError(f"{shown(item.name)}: it cannot be read ({error.strerror}).") from error
        return {"source": self._records[item.path]}

    def process(self, item: Source, job: Job) -> Result:
        """Extract, say what is not as packed, put the source away."""
        limits = Limits(
            entries=job.params.max_entries,
            total=int(job.params.max_total_gb * 10**9),
            single=int(job.params.max_file_gb * 10**9),
            ratio=job.params.max_ratio,
            keep_free=int(job.params.keep_free_gb * 10**9),
        )
        with job.phase("extract"):
            made = extract(item.path, self._records[item.path], projects_folder(), limits, job.progress)
        _tell(item, made, job)
        return Result(
            outputs={"source": made.project / ORIGIN},
            counts={
                "files": made.files,
                "bytes": made.size,
                "videos": made.videos,
                "dropped": len(made.dropped),
                "renamed": len(made.renamed),
            },
            root=made.project,
            workflow=made.project / ".workflow",
            cleanup=partial(put_away, item.path) if item.path.parent == self._inbox else None,
        )


def _tell(item: Source, made: Extraction, job: Job) -> None:
    name = shown(item.name)
    if made.known:
        job.log.info("%s: was extracted before, as project %s.", name, made.project.name)
    else:
        job.log.info(
            "%s: project %s, videos: %d, files: %d (%s).",
            name,
            made.project.name,
            made.videos,
            made.files,
            in_words(made.size),
        )
    for stored, new in made.renamed:
        job.warn(f"{name}: '{shown(stored)}' shares its name with another video and is now '{shown(new)}'.")
    if made.outside:
        job.warn(f"{name}: {len(made.outside)} videos beside docs are kept and not processed.")


if __name__ == "__main__":
    sys.exit(main(ExtractArchives(), __doc__, targets="ARCHIVE|FOLDER|VIDEO"))
