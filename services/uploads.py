"""Uploads: files that come in pieces and appear in a folder, the inbox, when they are whole, never before.

What is unfinished lies in a hidden folder of that one, which neither STEP1 nor the watch looks into: `<id>.part` is
what has come of a file, `<id>.json` says what it will be. The id follows from the file's name, size and date, so
whoever sends the same file again goes on where it stopped. Videos for one project wait for each other: their folder
appears in the inbox at once.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.supervision.step_folder import read_object, write_object
from services.upload_names import check_file_name, check_project_name, numbered
from workflow_scripts.common.atomic import sync_folder
from workflow_scripts.common.errors import UsageError, WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import inbox_folder

#: The largest piece, in bytes.
CHUNK = 4 * 2**20
#: The folder of what is unfinished, in the inbox.
HIDDEN = ".uploads"
#: Bytes of the disk that uploads leave free.
RESERVE = 500_000_000
#: Unfinished uploads at once.
LARGEST_NUMBER = 500
#: Seconds that the fate of a finished upload is remembered, for a client that did not hear of it.
_REMEMBERED_S = 86_400.0
_SET = ".set"
#: What a file system says that knows no hard links.
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
#: What a disk says that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class UnknownUpload(UsageError):
    """Raised when there is no such upload: it was never begun, was cancelled, or was cleared away."""


class NoRoom(WorkflowError):
    """Raised when the disk does not take it; what has come already is kept."""


class WrongOffset(WorkflowError):
    """Raised when a piece does not begin where the last one ended; `offset` is where it did."""

    def __init__(self, offset: int) -> None:
        super().__init__(
            f"The next piece begins at byte {offset}.", hint="Another tab may send the same file.", retry=True
        )
        self.offset = offset


@dataclass(frozen=True)
class Upload:
    """One file that comes, or has come.

    Args:
        id: what it is addressed by.
        name: its name.
        size: its bytes in the end.
        modified: when it was changed last, in milliseconds since 1970, as its owner's machine says.
        project: the project that it and others become together; empty where it becomes one by itself.
        note: what its sender wants done with it; as it was said last.
        offset: how many bytes are there.
        stored_as: where in the folder it is, when it is.
    """

    id: str
    name: str
    size: int
    modified: int
    project: str = ""
    note: Mapping[str, str] = field(default_factory=dict)
    offset: int = 0
    stored_as: str = ""

    @property
    def whole(self) -> bool:
        """Whether all of it has come; of several videos for one project, the others may not have."""
        return self.offset == self.size


class Uploads:
    """The uploads into a folder; any process and thread may use them, one after the other.

    Args:
        largest: bytes that one file may have.
        keep_s: seconds that what is unfinished is kept after the last piece.
        folder: where the files appear; the inbox if not given.
        free: the free bytes of a folder's disk.
    """

    #: How a file that is too large can be had all the same.
    otherwise = "a larger file can be copied into the inbox"

    def __init__(
        self,
        largest: int,
        keep_s: float,
        folder: Path | None = None,
        free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:
        self._largest, self._keep_s = largest, keep_s
        self._place = folder or inbox_folder()
        self._folder = self._place / HIDDEN
        self._free = free

    def accept(self, name: str, project: str) -> None:
        """See that a file of this name may come.

        Raises:
            UsageError: STEP1 would not take it.
        """
        check_file_name(name, video_only=bool(project))
        if project:
            check_project_name(project)

    def store(self, part: Path, upload: Upload) -> str:
        """Let a whole file appear, under its name or one like it; where it is in the folder.

        Who is interrupted before that is written down does it again, and finds it where it is.
        """
        return _give_free_name(part, self._place, upload.name).name

    def begin(
        self, name: str, size: int, modified: int, project: str = "", note: Mapping[str, str] | None = None
    ) -> Upload:
        """Expect a file; the same one again where it is unfinished.

        Raises:
            UsageError: a file of that name is not accepted, it is too large, or there are too many.
            NoRoom: the disk is too small for it, besides what was promised to others.
        """
        self.accept(name, project)
        self._check_size(name, size)
        text = "\0".join((name, str(size), str(modified), project))
        wanted = Upload(hashlib.sha256(text.encode()).hexdigest()[:32], name, size, modified, project, note or {})
        with self._locked():
            self._clear()
            known = self._read(wanted.id)
            if known is not None and not known.stored_as:
                known = replace(known, note=wanted.note)
                self._write(known)
                return self._settled(known)
            others = self._unfinished()
            if len(others) >= LARGEST_NUMBER:
                raise UsageError(
                    f"There are {len(others)} unfinished uploads already.", hint="Cancel some of them."
                )
            if project and any(one.project == project and one.name == name for one in others):
                raise UsageError(
                    f"“{printable(project)}” gets another video of the name {printable(name)} already."
                )
            self._check_room(wanted, others)
            self._part(wanted.id).unlink(missing_ok=True)
            self._part(wanted.id).touch()
            self._write(wanted)
            return self._settled(wanted)

    def unfinished(self) -> list[Upload]:
        """What is not in the inbox yet, by name."""
        if not self._folder.is_dir():
            return []
        with self._locked():
            return sorted(self._unfinished(), key=lambda one: (one.project, one.name))

    def show(self, upload_id: str) -> Upload:
        """One upload; a finished one for a day.

        Raises:
            UnknownUpload: there is none of it.
        """
        with self._locked():
            return self._known(upload_id)

    def write(self, upload_id: str, offset: int, data: bytes) -> Upload:
        """Add a piece; when it was the last, the file appears in the inbox. What this returns is on the disk.

        Raises:
            UnknownUpload: there is none of it.
            WrongOffset: the piece does not begin where the last one ended.
            UsageError: it reaches past the end of the file.
            NoRoom: the disk is full; nothing of the piece was kept.
        """
        with self._locked():
            known = self._known(upload_id)
            if known.stored_as or offset != known.offset:
                raise WrongOffset(known.offset)
            if offset + len(data) > known.size:
                raise UsageError(f"{printable(known.name)}: more came than its {known.size} bytes.")
            if data:
                _append(self._part(upload_id), offset, data, known.name)
            return self._settled(self._known(upload_id))

    def cancel(self, upload_id: str) -> None:
        """Forget an upload and what has come of it. Others for the same project wait for it no longer.

        Raises:
            UnknownUpload: there is none of it.
        """
        with self._locked():
            known = self._known(upload_id)
            if known.stored_as:
                raise UsageError(f"{printable(known.name)} has come already, as {printable(known.stored_as)}.")
            self._forget(known)
            if known.project:
                self._settle_project(known.project)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder of uploads alone: the lock goes with the process, however that ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _check_size(self, name: str, size: int) -> None:
        if size <= 0:
            raise UsageError(f"{printable(name)}: the file is empty.")
        if size > self._largest:
            raise UsageError(
                f"{printable(name)}: {size / 1e9:.1f} GB is more than the {self._largest / 1e9:.10g} GB allowed.",
                hint=f"WORKFLOW_UPLOAD_MAX_GB sets the limit; {self.otherwise}.",
            )

    def _check_room(self, wanted: Upload, others: list[Upload]) -> None:
        promised = sum(one.size - one.offset for one in others)
        room = self._free(self._folder) - promised - RESERVE
        if wanted.size > room:
            also = f", {promised / 1e9:.1f} GB of it promised to other uploads" if promised else ""
            raise NoRoom(
                f"{printable(wanted.name)}: {wanted.size / 1e9:.1f} GB do not fit on the disk"
                f" ({max(0, room + promised) / 1e9:.1f} GB free{also}).",
                hint="Make room, or cancel other uploads.",
                retry=True,
            )

    def _settled(self, upload: Upload) -> Upload:
        """Put a whole file where it belongs; the upload as it is then."""
        if not upload.whole:
            return upload
        if upload.project:
            self._settle_project(upload.project)
            return self._known(upload.id)
        part = self._part(upload.id)
        stored = replace(upload, stored_as=self.store(part, upload))
        self._write(stored)  # before the part goes: who is interrupted here finds the file where it is
        part.unlink(missing_ok=True)
        return stored

    def _settle_project(self, project: str) -> None:
        """Let the folder of a project appear in the inbox when nothing of it is missing any more.

        May be interrupted at any point and begun again.
        """
        members = [one for one in self._unfinished() if one.project == project]
        if not members or not all(one.whole for one in members):
            return
        folder = self._set(project)
        folder.mkdir(exist_ok=True)
        for one in members:
            if (part := self._part(one.id)).exists():
                part.rename(folder / one.name)
        sync_folder(folder)
        target = _give_free_name(folder, self._place, project)
        for one in members:
            self._write(replace(one, stored_as=f"{target.name}/{one.name}"))

    def _unfinished(self) -> list[Upload]:
        return [one for one in map(self._read, self._ids()) if one is not None and not one.stored_as]

    def _ids(self) -> list[str]:
        return [path.stem for path in self._folder.glob("*.json")]

    def _known(self, upload_id: str) -> Upload:
        known = self._read(upload_id) if upload_id.isalnum() else None
        if known is None:
            raise UnknownUpload("There is no such upload.", hint="Choose the file again.")
        return known

    def _read(self, upload_id: str) -> Upload | None:
        record = read_object(self._folder / f"{upload_id}.json")
        try:
            if record is None:
                return None
            known = Upload(upload_id, **record)
            return known if known.stored_as else replace(known, offset=self._come(known))
        except (TypeError, FileNotFoundError):
            return None

    def _come(self, upload: Upload) -> int:
        try:
            return self._part(upload.id).stat().st_size
        except FileNotFoundError:
            return (self._set(upload.project) / upload.name).stat().st_size

    def _write(self, upload: Upload) -> None:
        names = ("name", "size", "modified", "project", "note", "stored_as")
        record = {name: getattr(upload, name) for name in names}
        write_object(
            self._folder / f"{upload.id}.json", record | ({"offset": upload.size} if upload.stored_as else {})
        )

    def _part(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.part"

    def _set(self, project: str) -> Path:
        return self._folder / f"{hashlib.sha256(project.encode()).hexdigest()[:32]}{_SET}"

    def _clear(self) -> None:
        """Remove what nobody has gone on with for long; videos for one project go together, or stay together."""
        now = time.time()
        for path in self._folder.glob("*.json"):
            if self._read(path.stem) is None and now - path.stat().st_mtime > self._keep_s:
                path.unlink()
        known = [one for one in map(self._read, self._ids()) if one is not None]
        touched = {one.id: self._touched(one) for one in known}
        for one in known:
            together = [other for other in known if other.project == one.project and not other.stored_as]
            group = together if one.project and not one.stored_as else [one]
            age = now - max(touched[other.id] for other in group)
            if age > (_REMEMBERED_S if one.stored_as else self._keep_s):
                self._forget(one)

    def _touched(self, upload: Upload) -> float:
        paths = (self._part(upload.id), self._folder / f"{upload.id}.json")
        return max(path.stat().st_mtime for path in paths if path.exists())

    def _forget(self, upload: Upload) -> None:
        self._part(upload.id).unlink(missing_ok=True)
        if upload.project and not upload.stored_as:
            (self._set(upload.project) / upload.name).unlink(missing_ok=True)
        (self._folder / f"{upload.id}.json").unlink(missing_ok=True)


def _append(path: Path, offset: int, data: bytes, name: str) -> None:
    """Write at the end of a part, durably; where the disk does not take it the part is as it was."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        view = memoryview(data)
        written = 0
        while written < len(view):
            written += os.pwrite(descriptor, view[written:], offset + written)
        os.fdatasync(descriptor)
    except OSError as error:
        os.ftruncate(descriptor, offset)
        if error.errno not in _FULL:
            raise
        raise NoRoom(
            f"{printable(name)}: the disk is full. The {offset / 1e6:.0f} MB that have come are kept.",
            hint="Make room and go on.",
            retry=True,
        ) from error
    finally:
        os.close(descriptor)


def _give_free_name(source: Path, folder: Path, name: str) -> Path:
    """Let a file or folder appear under a name that nothing has, durably and never over something.

    A folder is moved; a file keeps its old name too, where the file system can do that.
    """
    for wished in numbered(name, is_folder=source.is_dir()):
        target = folder / wished
        if os.path.lexists(target):
            if source.is_dir() or not target.exists() or not target.samefile(source):
                continue
        elif source.is_dir():
            source.rename(target)
        else:
            try:
                os.link(source, target)
            except FileExistsError:  # somebody was quicker
                continue
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                source.rename(target)
        sync_folder(folder)
        return target
    raise UsageError(f"{printable(name)}: the inbox holds too many files of this name.")
