"""Files that are sent in pieces and wait to be transcribed once they are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.transcriptions import Shelf, Wish
from services.transcriptions.uploads import SoundUploads
from services.transcriptions.wishes import check_wish
from services.uploads import HIDDEN, UnknownUpload
from workflow_scripts.common.errors import PreconditionError, UsageError

NOTE = {"model": "", "language": "fr", "task": ""}


@pytest.fixture
def uploads(shelf: Shelf) -> SoundUploads:
    """The uploads of the shelf; files of ten bytes at most."""
    return SoundUploads(10, 3600.0, shelf)


def test_a_whole_file_waits_to_be_transcribed_as_it_was_asked_for(uploads: SoundUploads, shelf: Shelf) -> None:
    begun = uploads.begin("été.mp3", 6, 1, note=NOTE)
    uploads.write(begun.id, 0, b"abc")
    assert shelf.all() == []
    stored = uploads.write(begun.id, 3, b"def")
    (one,) = shelf.all()
    assert (stored.stored_as, one.name, one.wish) == (one.key, "été.mp3", Wish(language="fr"))
    assert shelf.sound(one).read_bytes() == b"abcdef"
    assert uploads.show(begun.id).stored_as == one.key  # for who did not hear of it
    assert [path.name for path in (shelf.folder / HIDDEN).iterdir() if path.suffix == ".part"] == []


def test_what_was_asked_for_last_counts(uploads: SoundUploads, shelf: Shelf) -> None:
    begun = uploads.begin("a.mp3", 6, 1, note=NOTE)
    uploads.write(begun.id, 0, b"abc")
    assert uploads.begin("a.mp3", 6, 1, note={**NOTE, "language": "de"}).offset == 3
    uploads.write(begun.id, 3, b"def")
    assert shelf.all()[0].wish == Wish(language="de")


def test_a_server_that_dies_when_a_file_is_whole_makes_one_transcription_of_it(
    shelf: Shelf, uploads: SoundUploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = uploads.begin("a.mp3", 3, 1, note=NOTE)
    write, dying = uploads._write, [True]

    def die(upload: object) -> None:
        if getattr(upload, "stored_as", "") and dying.pop():
            raise KeyboardInterrupt
        write(upload)  # type: ignore[arg-type]

    monkeypatch.setattr(uploads, "_write", die)
    with pytest.raises(KeyboardInterrupt):
        uploads.write(begun.id, 0, b"abc")
    again = SoundUploads(10, 3600.0, shelf).begin("a.mp3", 3, 1, note=NOTE)
    assert [one.key for one in shelf.all()] == [again.stored_as]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.zip", "this is an archive"),
        ("a.TAR.GZ", "this is an archive"),
        (".mp3", "begins with a dot"),
        ("x/../a.mp3", "holds a slash"),
        ("a\nb.mp3", "control character"),
        ("n" * 240 + ".mp3", "too long"),
        ("n" * 300, "is longer than"),
    ],
)
def test_a_name_that_will_not_do_is_refused_before_anything_is_sent(
    uploads: SoundUploads, name: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        uploads.begin(name, 3, 1)


def test_a_file_that_is_too_large_is_told_how_it_can_be_transcribed_all_the_same(uploads: SoundUploads) -> None:
    with pytest.raises(UsageError, match=r"transcribe\.py FILE"):
        uploads.begin("a.mp3", 11, 1)


def test_a_cancelled_one_never_becomes_a_transcription(uploads: SoundUploads, shelf: Shelf) -> None:
    begun = uploads.begin("a.mp3", 6, 1)
    uploads.cancel(begun.id)
    with pytest.raises(UnknownUpload):
        uploads.write(begun.id, 0, b"abcdef")
    assert shelf.all() == []


@pytest.mark.parametrize("wish", [Wish(), Wish(language="auto"), Wish(language="yue", task="translate")])
def test_a_wish_that_can_be_fulfilled_passes(wish: Wish) -> None:
    check_wish(wish)


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (Wish(language="klingon"), "no code of a language"),
        (Wish(task="sing"), "is no task"),
        (Wish(model="../secret"), "chosen by its name"),
        (Wish(model="bas"), "Did you mean 'base'"),
    ],
)
def test_a_wish_for_what_there_is_not_is_refused(wish: Wish, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        check_wish(wish)


def test_a_model_that_is_not_here_is_asked_for_with_the_command_that_brings_it(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError, match="models fetch small"):
        check_wish(Wish(model="small"))
