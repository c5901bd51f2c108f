"""The folders of the transcriptions, `transcriptions/<key>/` of the data folder.

request.json    the file's name, what is asked for, in which round    written by the web process
cancel.json     the round that is not wanted any more                 written by the web process
state.json      how the round stands                                  written by the worker
sound/<name>    the file as it was sent
result/         what came of the last round that ended well: JSON, SubRip, WebVTT, text
<round>.<n>/    the process of the n-th attempt (services/supervision/step_folder.py)
listening.m4a   what a browser plays of it

Every file has one writer and is written whole or not at all, so none needs a lock; a folder appears and goes at
once.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from services.states import TransitionError
from services.supervision.step_folder import StepFolder, read_object, write_object
from services.transcriptions.model import Facts, State, Transcription, UnknownTranscription, Wish
from workflow_scripts.common.artifacts.transcripts import JSON_SUFFIX, SRT_SUFFIX, TXT_SUFFIX, VTT_SUFFIX
from workflow_scripts.common.atomic import sync_folder
from workflow_scripts.common.paths import data_folder

#: What a transcription leaves, by the word that addresses it.
RESULTS = {"json": JSON_SUFFIX, "srt": SRT_SUFFIX, "vtt": VTT_SUFFIX, "txt": TXT_SUFFIX}
_KEY = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}")
#: What is being made, and what is being removed.
_NEW, _GONE = ".new-", ".gone-"
#: Touched whenever something is asked for.
_CHANGED = ".changed"


class Shelf:
    """The transcriptions of a data folder; any process may use it.

    Args:
        folder: where their folders are; the product's own place if not given.
        tell: called with what the event of a change says, after each that is asked for here.
    """

    def __init__(
        self, folder: Path | None = None, tell: Callable[[Mapping[str, Any]], object] = lambda _told: None
    ) -> None:
        self.folder = folder or data_folder() / "transcriptions"
        self._tell = tell

    def put(self, file: Path, name: str, wish: Wish, mark: str) -> str:
        """Let a file become a transcription that waits, and give its key; may be interrupted and begun again.

        The file keeps its old name too where the file system knows hard links, else it is moved.

        Args:
            file: a file beside the folders.
            name: what it is called.
            wish: what is asked for.
            mark: eight hexadecimal digits that stand for where it came from.
        """
        for key in self._keys():
            if key.endswith(f"-{mark}") and _same(self._sound(key, name), file):
                return key
        new = self.folder / f"{_NEW}{mark}"
        shutil.rmtree(new, ignore_errors=True)
        (new / "sound").mkdir(parents=True)
        size = file.stat().st_size
        now = datetime.now(UTC)
        _request(new, name=name, size=size, added=now.isoformat(timespec="milliseconds"), wish=wish, round_=1)
        _link(file, new / "sound" / name)
        sync_folder(new / "sound")
        sync_folder(new)
        key = f"{now:%Y%m%d-%H%M%S}-{mark}"
        while (self.folder / key).exists():  # the same file, sent again within a second
            key = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
        new.rename(self.folder / key)
        sync_folder(self.folder)
        self._changed(key)
        return key

    def all(self) -> list[Transcription]:
        """Every transcription, the newest first."""
        found = (self._read(key) for key in sorted(self._keys(), reverse=True))
        return [one for one in found if one is not None]

    def find(self, key: str) -> Transcription:
        """One transcription.

        Raises:
            UnknownTranscription: there is none of that key.
        """
        found = self._read(key) if _KEY.fullmatch(key) else None
        if found is None:
            raise UnknownTranscription()
        return found

    def sound(self, one: Transcription) -> Path:
        """The file as it was sent."""
        return self._sound(one.key, one.name)

    def listening(self, one: Transcription) -> Path:
        """Where that is which a browser plays of it."""
        return self.folder / one.key / "listening.m4a"

    def results(self, one: Transcription) -> Path:
        """The folder of what came of it; only a round that ends well writes there."""
        return self.folder / one.key / "result"

    def result(self, one: Transcription, kind: str) -> Path:
        """One of the files that came of it.

        Raises:
            UnknownTranscription: it has none of that kind, or not yet.
        """
        path = self.results(one) / f"{one.stem}{RESULTS[kind]}" if kind in RESULTS else None
        if path is None or one.facts is None or not path.is_file():
            raise UnknownTranscription()
        return path

    def process(self, one: Transcription) -> StepFolder:
        """The folder of the process of the present attempt."""
        return StepFolder(self.folder / one.key / f"{one.round}.{one.attempt}")

    def again(self, key: str, wish: Wish) -> Transcription:
        """Transcribe a file once more, also with another model or in another language.

        What came of the round before stays until this one has ended well.

        Raises:
            UnknownTranscription: there is none of that key.
            TransitionError: it is waited for already.
        """
        one = self.find(key)
        if one.active:
            raise TransitionError(str(one), one.state, "begun again")
        _request(
            self.folder / key,
            name=one.name,
            size=one.size,
            added=one.added.isoformat(timespec="milliseconds"),
            wish=wish,
            round_=one.round + 1,
        )
        return self._changed(key)

    def cancel(self, key: str) -> Transcription:
        """Ask that the present round ends; one that has not begun is cancelled at once.

        Raises:
            UnknownTranscription: there is none of that key.
            TransitionError: it has ended.
        """
        one = self.find(key)
        if not one.active:
            raise TransitionError(str(one), one.state, "cancelled")
        write_object(self.folder / key / "cancel.json", {"round": one.round})
        return self._changed(key)

    def remove(self, key: str) -> Transcription:
        """Forget a transcription with all its files; what it was.

        Raises:
            UnknownTranscription: there is none of that key.
            TransitionError: it is being transcribed.
        """
        one = self.find(key)
        if one.state == "running":
            raise TransitionError(str(one), one.state, "removed")
        gone = self.folder / f"{_GONE}{key}"
        (self.folder / key).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        self._tell({**one.told, "removed": True})
        return one

    def clear(self) -> None:
        """Remove what an interrupted removal left."""
        for folder in self.folder.glob(f"{_GONE}*"):
            shutil.rmtree(folder, ignore_errors=True)

    def stamp(self) -> float:
        """When something was asked for here last; while it stays the same there is nothing new to do."""
        try:
            return (self.folder / _CHANGED).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def write_state(self, one: Transcription) -> None:
        """Keep how a transcription stands: for the worker alone."""
        names = ("round", "state", "attempt", "reason", "warnings", "done", "duration", "seconds")
        times = {name: _text(getattr(one, name)) for name in ("started", "finished")}
        facts = None if one.facts is None else asdict(one.facts)
        values = {**{name: getattr(one, name) for name in names}, **times, "facts": facts}
        write_object(self.folder / one.key / "state.json", values)

    def _changed(self, key: str) -> Transcription:
        """Let the worker and the pages know that one stands otherwise; how it stands."""
        (self.folder / _CHANGED).touch()
        one = self.find(key)
        self._tell(one.told)
        return one

    def _keys(self) -> Iterator[str]:
        if self.folder.is_dir():
            yield from (name for name in os.listdir(self.folder) if _KEY.fullmatch(name))  # noqa: PTH208

    def _sound(self, key: str, name: str) -> Path:
        return self.folder / key / "sound" / name

    def _read(self, key: str) -> Transcription | None:
        """A transcription; None where its folder has gone or holds something else."""
        folder = self.folder / key
        asked = read_object(folder / "request.json")
        try:
            return None if asked is None else _told(_asked(key, asked), folder)
        except (KeyError, TypeError, ValueError):
            return None


def _asked(key: str, asked: dict[str, Any]) -> Transcription:
    return Transcription(
        key=key,
        name=asked["name"],
        size=asked["size"],
        added=datetime.fromisoformat(asked["added"]),
        wish=Wish(**asked["wish"]),
        round=asked["round"],
        cancelling=False,
        state="queued",
    )


def _told(one: Transcription, folder: Path) -> Transcription:
    """The same with how it stands, as worker and web process wrote it down."""
    stood = _stood(one, read_object(folder / "state.json") or {})
    unwanted = (read_object(folder / "cancel.json") or {}).get("round") == one.round
    state: State = "cancelled" if unwanted and stood.state == "queued" else stood.state
    return replace(stood, state=state, cancelling=unwanted and state == "running")


def _stood(one: Transcription, told: dict[str, Any]) -> Transcription:
    """The same after what the worker told last; what cannot be understood was not told."""
    try:
        facts = told.pop("facts")
        known = replace(one, facts=None if facts is None else Facts(**facts))
        if told["round"] != one.round:
            return known
        moments: dict[str, Any] = {name: _moment(told.pop(name)) for name in ("started", "finished")}
        warnings = tuple(told.pop("warnings"))
        return replace(known, **told, **moments, warnings=warnings)
    except (KeyError, TypeError, ValueError):
        return one


def _request(folder: Path, *, name: str, size: int, added: str, wish: Wish, round_: int) -> None:
    values = {"name": name, "size": size, "added": added, "wish": asdict(wish), "round": round_}
    write_object(folder / "request.json", values)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        source.rename(target)


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat(timespec="milliseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
