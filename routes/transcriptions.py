"""Sound files that are transcribed by themselves: sent in, listed, watched, read, listened to, removed."""

from __future__ import annotations

from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from flask import Response, current_app, send_file, url_for

from routes.context import context
from routes.documentation import documented
from routes.models.transcriptions import (
    SoundAsked,
    SoundOut,
    TranscriptionList,
    TranscriptionOut,
    WishAsked,
    WordOut,
    WordsAsked,
    WordsOut,
)
from routes.models.uploads import UploadOut
from routes.uploads import add_routes, limits
from services.runs import NewEvent
from services.transcriptions import KIND, Shelf, Transcription, UnknownTranscription
from services.transcriptions.listening import find_listening, make_listening
from services.transcriptions.told import words_of, words_so_far
from services.transcriptions.uploads import SoundUploads
from services.transcriptions.wishes import check_wish
from services.viewing.jobs import Jobs, Preparing, Ready
from workflow_scripts.common.events import printable

blueprint = APIBlueprint("transcriptions", __name__, url_prefix="/api/transcriptions")
sounds = APIBlueprint("sound_uploads", __name__, url_prefix="/api/transcriptions/uploads")

_EXTENSION = "transcriptions"
_TYPES = {"json": "application/json", "srt": "application/x-subrip", "vtt": "text/vtt", "txt": "text/plain"}


@blueprint.record_once
def _with_jobs(state: Any) -> None:
    """Give an application what makes sound ready for listening; no thread begins before something is asked."""
    state.app.extensions[_EXTENSION] = Jobs(1)


def close(app: APIFlask) -> None:
    """Make nothing more for an application."""
    cast(Jobs, app.extensions[_EXTENSION]).close()


def shelf() -> Shelf:
    """The transcriptions of the data folder; pages hear of what is asked for there."""
    events = context().runs.events
    return Shelf(tell=lambda told: events.append([NewEvent(KIND, told)]))


def _uploads() -> SoundUploads:
    return SoundUploads(*limits(), shelf())


add_routes(sounds, _uploads)


@sounds.post("")
@sounds.input(SoundAsked)
@sounds.output(UploadOut, status_code=201)
def begin_sound_upload(json_data: SoundAsked) -> UploadOut:
    """Announce a file to be transcribed once it has come; the same one again goes on where it stopped.

    Any file with sound will do. `stored_as` of the last piece's answer is the key of its transcription.
    """
    asked = json_data
    check_wish(asked.wish)
    return UploadOut.at(_uploads().begin(asked.name, asked.size, asked.modified, note=vars(asked.wish)))


@blueprint.get("")
@blueprint.output(TranscriptionList)
def list_transcriptions() -> TranscriptionList:
    """All transcriptions, the newest first."""
    return TranscriptionList(transcriptions=[TranscriptionOut.at(one) for one in shelf().all()])


@blueprint.get("/<transcription>")
@blueprint.output(TranscriptionOut)
def show_transcription(transcription: str) -> TranscriptionOut:
    """How one stands."""
    return TranscriptionOut.at(shelf().find(transcription))


@blueprint.get("/<transcription>/words")
@blueprint.input(WordsAsked, location="query")
@blueprint.output(WordsOut)
def show_words(transcription: str, query_data: WordsAsked) -> WordsOut:
    """What is said, word by word: while it is being transcribed, what has come since the answer before."""
    place, asked = shelf(), query_data
    one = place.find(transcription)
    if one.state == "running":
        source = f"{one.round}.{one.attempt}"
        offset = asked.after if asked.source == source else 0
        words, following = words_so_far(place.process(one).events, offset)
        return WordsOut(source=source, next=following, language="", words=[WordOut.of(word) for word in words])
    if one.facts is None:
        return WordsOut(source=f"{one.round}", next=0, language="", words=[])
    path = place.result(one, "json")
    words, language = words_of(path)
    source = f"result {path.stat().st_mtime_ns:x}"
    fresh = words[asked.after :] if asked.source == source else words
    return WordsOut(source=source, next=len(words), language=language, words=[WordOut.of(word) for word in fresh])


@blueprint.get("/<transcription>/files/<kind>")
@blueprint.doc(responses=documented("The file", "application/octet-stream"))
def read_result(transcription: str, kind: str) -> Response:
    """What came of it: `json`, `srt`, `vtt` or `txt`."""
    place = shelf()
    path = place.result(place.find(transcription), kind)
    name = printable(path.name)
    response = send_file(path, mimetype=_TYPES[kind], as_attachment=True, download_name=name)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.get("/<transcription>/sound")
@blueprint.output(SoundOut)
def show_sound(transcription: str) -> SoundOut:
    """Whether its sound can be played now, and where; making what every browser plays begins with this."""
    place = shelf()
    one = place.find(transcription)
    made = _listening(place, one)
    url = url_for(".play_sound", transcription=one.key)
    return SoundOut(ready=isinstance(made, Ready), url=url, share=getattr(made, "share", 1.0))


@blueprint.get("/<transcription>/sound.m4a")
@blueprint.doc(responses=documented("The sound, or the range asked for", "audio/mp4", 200, 206))
def play_sound(transcription: str) -> Response:
    """The sound on the clock of the words, whole or a range of it, once it has been made."""
    place = shelf()
    path = find_listening(place, place.find(transcription))
    if path is None:
        raise UnknownTranscription()
    response = send_file(path, mimetype="audio/mp4", conditional=True)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.post("/<transcription>/again")
@blueprint.input(WishAsked)
@blueprint.output(TranscriptionOut)
def begin_again(transcription: str, json_data: WishAsked) -> TranscriptionOut:
    """Transcribe it once more, also with another model or in another language."""
    check_wish(json_data.wish)
    return TranscriptionOut.at(shelf().again(transcription, json_data.wish))


@blueprint.post("/<transcription>/cancel")
@blueprint.output(TranscriptionOut)
def cancel_transcription(transcription: str) -> TranscriptionOut:
    """Ask that it ends; what came of it before stays."""
    return TranscriptionOut.at(shelf().cancel(transcription))


@blueprint.delete("/<transcription>")
@blueprint.doc(responses=documented("It is forgotten", "application/json", 204))
def remove_transcription(transcription: str) -> tuple[str, int]:
    """Remove it with the file and what came of it."""
    shelf().remove(transcription)
    return "", 204


def _listening(place: Shelf, one: Transcription) -> Ready | Preparing:
    if find_listening(place, one) is not None:
        return Ready()
    jobs = cast(Jobs, current_app.extensions[_EXTENSION])
    return jobs.ensure(one.key, lambda progress: make_listening(place, one, progress), what="sound")
