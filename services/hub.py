"""Files of public repositories on the model hub: what there is, and fetching it so that it may be interrupted."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_scripts.common.errors import PreconditionError, WorkflowError

#: Seconds without an answer or a byte after which a connection is taken for dead.
_SILENCE_S = 30.0
#: How often in a row a connection may break without bringing anything.
_TRIES = 5
_BLOCK = 1 << 18

Progress = Callable[[int], None]
"""Called with the number of bytes that are there now."""


@dataclass(frozen=True)
class HubFile:
    """A file of a repository; `sha256` where the hub knows it (large files), else `git` is its blob's sha1."""

    name: str
    size: int
    sha256: str | None
    git: str


@dataclass(frozen=True)
class Listing:
    """What a repository holds at one revision."""

    repository: str
    revision: str
    files: tuple[HubFile, ...]


def endpoint() -> str:
    """The hub's address: `HF_ENDPOINT`, else the public one."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def listing(repository: str) -> Listing:
    """What a repository holds now.

    Raises:
        PreconditionError: the hub cannot be reached, or has no such repository.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise PreconditionError("HF_HUB_OFFLINE is set: nothing is fetched.", hint="Unset it, or import a folder.")
    address = f"{endpoint()}/api/models/{urllib.parse.quote(repository)}?blobs=true"
    try:
        with urllib.request.urlopen(address, timeout=_SILENCE_S) as answer:
            data = json.load(answer)
        return Listing(repository, str(data["sha"]), tuple(_file(entry) for entry in data["siblings"]))
    except urllib.error.HTTPError as error:
        raise PreconditionError(f"{repository}: the hub refuses it ({error.code} {error.reason}).") from error
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise PreconditionError(f"{endpoint()} does not answer as the hub does ({error}).") from error


def fetch_file(
    there: Listing, file: HubFile, target: Path, progress: Progress, wait: Callable[[float], None]
) -> None:
    """Fetch a file of a repository, going on where `target` ends, and check its content.

    Raises:
        PreconditionError: the hub cannot be reached, or refuses.
        WorkflowError: what came is not what the hub promised; it is thrown away.
    """
    quoted = "/".join(urllib.parse.quote(part) for part in (there.repository, "resolve", there.revision, file.name))
    address = f"{endpoint()}/{quoted}"
    tries = 0
    while (have := _size(target)) != file.size:
        if have > file.size:
            target.unlink()
            continue
        try:
            _go_on(address, target, have, progress)
        except urllib.error.HTTPError as error:
            raise PreconditionError(f"{file.name}: the hub refuses it ({error.code} {error.reason}).") from error
        except (OSError, http.client.HTTPException) as error:
            if tries + 1 >= _TRIES and _size(target) <= have:
                raise _unreachable(error) from error
        tries = 0 if _size(target) > have else tries + 1
        if tries >= _TRIES:
            raise _unreachable(TimeoutError("it ends each connection"))
        if _size(target) != file.size:
            wait(2.0**tries)
    if not _is(target, file):
        target.unlink()
        raise WorkflowError(
            f"{file.name}: what came is not what the hub promised.", hint="Fetch again.", retry=True
        )


def _go_on(address: str, target: Path, have: int, progress: Progress) -> None:
    """Append what is missing; a server that begins anew instead is taken at its word."""
    request = urllib.request.Request(address, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=_SILENCE_S) as answer:
        goes_on = have and answer.status == http.HTTPStatus.PARTIAL_CONTENT
        done = have if goes_on else 0
        with target.open("ab" if goes_on else "wb") as stream:
            while block := answer.read(_BLOCK):
                stream.write(block)
                done += len(block)
                progress(done)
            stream.flush()
            os.fsync(stream.fileno())


def _file(entry: dict[str, Any]) -> HubFile:
    large = entry.get("lfs") or {}
    return HubFile(str(entry["rfilename"]), int(entry["size"]), large.get("sha256"), str(entry["blobId"]))


def _is(path: Path, file: HubFile) -> bool:
    digest: Any = hashlib.sha256()
    if file.sha256 is None:  # small files have the hash that git gives them
        digest = hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return bool(digest.hexdigest() == (file.sha256 or file.git))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _unreachable(error: Exception) -> PreconditionError:
    reason = getattr(error, "reason", None) or error
    return PreconditionError(
        f"The model hub {endpoint()} cannot be reached ({reason}).",
        hint="What has come is kept; run the command again, or import a folder from another machine.",
        retry=True,
    )


def total(files: Sequence[HubFile]) -> int:
    """Bytes of all files."""
    return sum(file.size for file in files)


def pause(seconds: float) -> None:
    """Wait before the next try."""
    time.sleep(seconds)
