"""Opening artifacts: plain or gzipped text, with errors that name the file."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, TypeVar

from workflow_scripts.common.atomic import atomic_writer
from workflow_scripts.common.errors import ArtifactError

#: A rate as a number or a quotient; the lengths bound what an exact fraction of it can cost.
_RATE = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,20})?)(?:/([0-9]{1,12}))?")


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """Open an artifact for reading as UTF-8, gzipped when its name ends in `.gz`.

    Raises:
        ArtifactError: the file is missing, unreadable, damaged or not UTF-8.
    """
    try:
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt", encoding="utf-8-sig", newline="") as stream:
            yield stream
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise ArtifactError(path, f"cannot be read ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return str(error) or type(error).__name__


def load_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        ArtifactError: unreadable, not JSON, or JSON but no object.
    """
    with open_text(path) as stream:
        text = stream.read()
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, f"is not valid JSON ({error}).") from error
    if not isinstance(data, dict):
        raise ArtifactError(path, "holds no JSON object.")
    return data


EntryT = TypeVar("EntryT")


def read_entries(path: Path, key: str, what: str, make: Callable[[Any], EntryT]) -> tuple[EntryT, ...]:
    """The list under a key of a JSON object, each entry made into a value.

    Args:
        what: what an entry is, for people.
        make: raises TypeError or ValueError where an entry is something else.

    Raises:
        ArtifactError: the file is missing or damaged, holds no such list, or an entry is something else.
    """
    entries = load_json(path).get(key)
    if not isinstance(entries, list):
        raise ArtifactError(path, f"holds no list of {what}s.")
    try:
        return tuple(make(entry) for entry in entries)
    except (TypeError, ValueError) as error:
        raise ArtifactError(path, f"holds an entry that is no {what} ({error}).") from error


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write an object as indented UTF-8 JSON with a final newline."""
    with atomic_writer(path) as stream:
        json.dump(data, stream, ensure_ascii=False, indent=1)
        stream.write("\n")


def compact(data: Any) -> str:
    """JSON on one line without a space after comma or colon, as the streaming parser of the editors needs it."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def rate_in_json(fps: Fraction) -> int | float:
    """A frame rate as the delivered files hold it: a plain 25, or a float where it is no whole number."""
    return int(fps) if fps.denominator == 1 else float(fps)


def rate_from_json(path: Path, value: object) -> Fraction | None:
    """A frame rate found in a file: integer, float or text; None where there is none.

    Raises:
        ArtifactError: the value is no positive number.
    """
    if value is None:
        return None
    found = _RATE.fullmatch(str(value))
    over, under = (Fraction(part or 1) for part in found.groups()) if found else (Fraction(0), Fraction(0))
    rate = (over / under).limit_denominator(100_000) if under else Fraction(0)
    if rate <= 0:
        raise ArtifactError(path, f"its frame rate {_short(value)} is not a positive number.")
    return rate


def count_from_json(path: Path, data: dict[str, Any]) -> int | None:
    """`total_frames` of a file, None where it is missing.

    Raises:
        ArtifactError: the value is no whole number.
    """
    value = data.get("total_frames")
    if value is None:
        return None
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not whole or value < 0:
        raise ArtifactError(path, f"its total_frames {_short(value)} is not a number of frames.")
    return int(value)


def _short(value: object) -> str:
    return repr(value)[:60]


def frames_list(path: Path, data: dict[str, Any]) -> list[dict[str, Any]]:
    """The list of frames of any generation: `frames`, `frames_data` or `frames_analysis`.

    Raises:
        ArtifactError: there is no such list, or it holds something else than frames.
    """
    for key in ("frames_analysis", "frames", "frames_data"):
        frames = data.get(key)
        if isinstance(frames, list):
            if not all(isinstance(frame, dict) for frame in frames):
                raise ArtifactError(path, f"an entry of {key} is not a frame.")
            return frames
    raise ArtifactError(path, "holds no list of frames (frames, frames_data or frames_analysis).")


def check_number(path: Path, frame: dict[str, Any], index: int) -> None:
    """Make sure that the entry at a 0-based index is numbered `index + 1`.

    Raises:
        ArtifactError: it is not, so frames are missing, doubled or out of order.
    """
    if frame.get("frame") != index + 1:
        raise ArtifactError(
            path, f"frames are not numbered 1, 2, 3, …: entry {index + 1} says {_short(frame.get('frame'))}."
        )
