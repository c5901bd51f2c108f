"""Earlier results of a step for a video, kept so that a viewer can compare two of them.

Before a step writes, its finished result gets second names in `.workflow/<stem>/earlier/<STEP>/<finished>/`; once
the new manifest is written, that folder stays where something differs. A kill at any moment leaves either the old
result in place, or the new one beside the old one's folder; nothing here decides what is done and what is not.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workflow_scripts.common.atomic import atomic_writer, replace, sync_folder, temporary_path
from workflow_scripts.common.manifest import FileRecord, Manifest, read_manifest, sha256_of

FOLDER = "earlier"
#: The outputs that are kept, by step and role, with the names they are kept under.
KEPT: Mapping[str, Mapping[str, str]] = {
    "STEP3": {"scenes": "scenes.csv", "transitions": "shots.json"},
    "STEP4": {"audio": "audio.json", "turns": "turns.json"},
    "STEP5": {"tracking": "tracking.json"},
}
#: How many earlier results of a step are kept for a video.
NEWEST = 3
#: Files from this size on, in bytes, are packed.
PACKED_FROM = 1_000_000


@dataclass(frozen=True)
class Earlier:
    """One earlier result: its `key` is the time it was finished, its files lie in `folder`."""

    key: str
    folder: Path
    manifest: Manifest

    def file(self, role: str) -> Path | None:
        """Where the kept output of a role is, plain or as `.gz`; None where the step had none."""
        name = KEPT[self.manifest.step][role]
        found = (path for path in (self.folder / name, self.folder / f"{name}.gz") if path.is_file())
        return next(found, None)


def earlier_results(workflow: Path, step: str) -> list[Earlier]:
    """The earlier results of a step, newest first; the one that stands now is none of them."""
    now = read_manifest(workflow / f"{step}.json")
    current = None if now is None else _key(now)
    return [one for one in _kept(workflow, step) if one.key != current]


def hold(workflow: Path, root: Path, step: str) -> None:
    """Give the finished result of a step second names, before it is replaced.

    Only a whole one: every output that is kept must still be what the manifest says. To be called by the one
    process that works on the video; what killed ones left is removed.

    Raises:
        OSError: they cannot be given.
    """
    manifest = read_manifest(workflow / f"{step}.json")
    if manifest is None or step not in KEPT:
        return
    folder = workflow / FOLDER / step
    for leftover in folder.glob(".tmp-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    target = folder / _key(manifest)
    records = {name: manifest.outputs[role] for role, name in KEPT[step].items() if role in manifest.outputs}
    if target.is_dir():
        if all(_is_kept(target, name, record) for name, record in records.items()):
            return  # by an attempt that did not come to its end
        shutil.rmtree(target)
    if not records or not all(record.matches(root) for record in records.values()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(target)
    temporary.mkdir()
    try:
        for name, record in records.items():
            _second_name(source := record.located(root), temporary / f"{name}{_packed(source)}")
        manifest.write(temporary / f"{step}.json")
        replace(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def settle(workflow: Path, step: str) -> None:
    """Decide what stays of the earlier results, once the manifest of the new one is written.

    What has the same content by the same parameters as now goes, and so does what is older than the newest few.
    Large files are packed.

    Raises:
        OSError: they cannot be packed or removed.
    """
    now = read_manifest(workflow / f"{step}.json")
    if now is None or step not in KEPT:
        return
    kept = earlier_results(workflow, step)
    stay = [one for one in kept if not _same(one.manifest, now)][:NEWEST]
    for one in kept:
        if one not in stay:
            shutil.rmtree(one.folder)
    for one in stay:
        for name in KEPT[step].values():
            _pack(one.folder / name)


def _kept(workflow: Path, step: str) -> list[Earlier]:
    folder = workflow / FOLDER / step
    if step not in KEPT or not folder.is_dir():
        return []
    found = []
    for path in sorted(folder.iterdir(), reverse=True):
        manifest = None if path.name.startswith(".") else read_manifest(path / f"{step}.json")
        if manifest is not None and manifest.step == step:
            found.append(Earlier(path.name, path, manifest))
    return found


def _key(manifest: Manifest) -> str:
    """When a result was finished, as a name: `20260314T091500123`, in UTC."""
    return "".join(sign for sign in manifest.finished.partition("+")[0] if sign.isascii() and sign.isalnum()) or "0"


def _same(one: Manifest, other: Manifest) -> bool:
    """Whether two results hold the same and were made in the same way, on whatever device."""
    roles = KEPT[one.step]

    def facts(manifest: Manifest) -> tuple[object, ...]:
        content = {role: record.sha256 for role, record in manifest.outputs.items() if role in roles}
        return content, manifest.fingerprint, manifest.version, manifest.models

    return facts(one) == facts(other)


def _is_kept(folder: Path, name: str, record: FileRecord) -> bool:
    found = next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
    return found is not None and sha256_of(found) == record.sha256


def _packed(path: Path) -> str:
    return ".gz" if path.suffix == ".gz" else ""


def _second_name(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def _pack(path: Path) -> None:
    """Replace a large file by its `.gz`; killed in between, both are there and hold the same."""
    if not path.is_file() or path.stat().st_size < PACKED_FROM:
        return
    with (
        path.open("rb") as source,
        atomic_writer(path.with_name(f"{path.name}.gz"), "wb") as stream,
        gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=1) as target,
    ):
        shutil.copyfileobj(source, target, 1 << 20)
    path.unlink()
    sync_folder(path.parent)
