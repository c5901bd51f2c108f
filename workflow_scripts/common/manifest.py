"""The manifest of a finished step: what went in, with which parameters, on what, what came out, how good it is.

A step's work for a video is done if and only if its manifest matches the current inputs, parameters, models
and outputs. That an output file exists decides nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from workflow_scripts.common.artifacts.files import load_json, write_json
from workflow_scripts.common.errors import ArtifactError

State = Literal["succeeded", "degraded"]
RecordT = TypeVar("RecordT")


@dataclass(frozen=True)
class FileRecord:
    """A file as it was: `path` relative to the project where it lies inside, sha256 of the content.

    For a `.gz` the sha256 is that of what is inside, so packing a file does not count as changing it.
    """

    path: str
    size: int
    mtime_ns: int
    sha256: str

    @classmethod
    def of(cls, path: Path, root: Path, known: FileRecord | None = None) -> FileRecord:
        """Record a file; a known record with the same size and modification time spares reading it again."""
        stat = path.stat()
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        if known is not None and (known.path, known.size, known.mtime_ns) == (
            name,
            stat.st_size,
            stat.st_mtime_ns,
        ):
            return known
        return cls(name, stat.st_size, stat.st_mtime_ns, sha256_of(path))

    def located(self, root: Path) -> Path:
        """Where the file lies, given the project's folder."""
        return root / self.path

    def matches(self, root: Path) -> bool:
        """Whether the file is still there with the same content."""
        path = self.located(root)
        try:
            return path.is_file() and FileRecord.of(path, root, self).sha256 == self.sha256
        except (OSError, EOFError, zlib.error):  # what cannot be read, or unpacked, is not what was written
            return False


@dataclass(frozen=True)
class ModelRecord:
    """A model that took part: its name, the sha256 of its file, where it comes from."""

    name: str
    sha256: str
    source: str = ""


@dataclass(frozen=True)
class Gate:
    """A quality gate: a figure, what it must be in words, and whether it is; `passed` None is a figure alone."""

    name: str
    value: float | None
    limit: str = ""
    passed: bool | None = None

    @classmethod
    def equals(cls, name: str, value: float, expected: float) -> Gate:
        """A gate that wants exactly one value."""
        return cls(name, value, f"= {expected:g}", value == expected)

    @classmethod
    def at_most(cls, name: str, value: float, limit: float) -> Gate:
        """A gate that wants no more than a limit."""
        return cls(name, value, f"<= {limit:g}", value <= limit)

    @classmethod
    def at_least(cls, name: str, value: float, limit: float) -> Gate:
        """A gate that wants no less than a limit."""
        return cls(name, value, f">= {limit:g}", value >= limit)


@dataclass(frozen=True)
class Fallback:
    """One rung down the device ladder, and why."""

    from_rung: str
    to_rung: str
    reason: str


@dataclass(frozen=True)
class Manifest:
    """Everything that is known about one finished step of one video.

    `parameters` maps a name to `{"value", "origin"}`; `fingerprint` holds only those that affect the result.
    Times are ISO 8601 in UTC, `seconds` per phase are measured on a monotonic clock, memory is in bytes.
    """

    step: str
    version: str
    state: State
    inputs: Mapping[str, FileRecord]
    outputs: Mapping[str, FileRecord]
    parameters: Mapping[str, Mapping[str, Any]]
    fingerprint: Mapping[str, Any]
    models: tuple[ModelRecord, ...]
    device_asked: str
    device_used: str
    fallbacks: tuple[Fallback, ...]
    counts: Mapping[str, Any]
    gates: tuple[Gate, ...]
    warnings: tuple[str, ...]
    started: str
    finished: str
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int = 0

    @property
    def complaints(self) -> str:
        """What the failed gates say, in words; empty where none failed."""
        return "; ".join(f"{g.name}: {g.value}, must be {g.limit}" for g in self.gates if g.passed is False)

    def write(self, path: Path) -> None:
        """Write the manifest atomically; it is the last act of a step for a video."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(self))


def read_manifest(path: Path) -> Manifest | None:
    """The manifest in a file, None when there is none or it is damaged (then the work is not done)."""
    if not path.is_file():
        return None
    try:
        data = load_json(path)
        if data["state"] not in get_args(State) or not all(
            isinstance(data[name], dict) for name in ("fingerprint", "parameters", "counts", "seconds")
        ):
            return None
        return Manifest(
            **{
                **data,
                "inputs": {name: _checked(FileRecord(**record)) for name, record in data["inputs"].items()},
                "outputs": {name: _checked(FileRecord(**record)) for name, record in data["outputs"].items()},
                "models": tuple(_checked(ModelRecord(**record)) for record in data["models"]),
                "fallbacks": tuple(_checked(Fallback(**record)) for record in data["fallbacks"]),
                "gates": tuple(_checked(Gate(**record)) for record in data["gates"]),
                "warnings": tuple(str(warning) for warning in data["warnings"]),
            }
        )
    except (ArtifactError, KeyError, TypeError, AttributeError):
        return None


def _checked(record: RecordT) -> RecordT:
    """A record as it is; raises TypeError when a field that holds a text, or one that does not, is wrong."""
    for name, value in vars(record).items():
        if isinstance(value, str) != (name not in ("size", "mtime_ns", "value", "passed")):
            raise TypeError(f"{name} is of the wrong kind")
    return record


def move_output(path: Path, output: str, target: Path, root: Path) -> None:
    """Record in a finished step's manifest that one of its outputs lies elsewhere now.

    Raises:
        ArtifactError: there is no such manifest or output, or the file there has another content.
    """
    manifest = read_manifest(path)
    if manifest is None or output not in manifest.outputs:
        raise ArtifactError(path, f"has no output {output!r} that could have moved.")
    moved = FileRecord.of(target, root)
    if moved.sha256 != manifest.outputs[output].sha256:
        raise ArtifactError(target, "is not the same content that was to be moved.")
    replace(manifest, outputs={**manifest.outputs, output: moved}).write(path)


@dataclass(frozen=True)
class Wanted:
    """What a step would work with now; compared with a manifest it tells whether there is anything to do."""

    version: str
    inputs: Mapping[str, FileRecord]
    fingerprint: Mapping[str, Any]
    models: tuple[ModelRecord, ...]

    def reason_to_run(self, manifest: Manifest | None, root: Path) -> str | None:
        """Why the work is to be done, in a few words (`new`, `input changed: video`, …); None when it is done."""
        if manifest is None:
            return "new"
        if manifest.version != self.version:
            return f"step changed: version {manifest.version} to {self.version}"
        before = {name: record.sha256 for name, record in manifest.inputs.items()}
        now = {name: record.sha256 for name, record in self.inputs.items()}
        for what, old, new in (
            ("input", before, now),
            ("parameter", manifest.fingerprint, self.fingerprint),
            ("model", _digests(manifest.models), _digests(self.models)),
        ):
            changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
            if changed:
                return f"{what} changed: {', '.join(changed)}"
        broken = sorted(name for name, record in manifest.outputs.items() if not record.matches(root))
        return f"output missing or changed: {', '.join(broken)}" if broken else None


def _digests(models: tuple[ModelRecord, ...]) -> dict[str, str]:
    return {model.name: model.sha256 for model in models}


def sha256_of(path: Path) -> str:
    """The sha256 of a file's content in hexadecimal; of what is inside, for a `.gz`."""
    if path.suffix != ".gz":
        return file_sha256(path)
    digest = hashlib.sha256()
    with gzip.open(path, "rb") as packed:
        while block := packed.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 of a file as it lies on the disk in hexadecimal, whatever its suffix; nothing is unpacked."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
