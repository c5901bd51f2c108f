"""Files that come in pieces: announced, sent, taken up where they stopped; for the inbox, or to be transcribed."""

from __future__ import annotations

from collections.abc import Callable

from apiflask import APIBlueprint
from flask import Response, request

from routes.documentation import documented
from routes.errors import Refusal, answer
from routes.models.uploads import UploadAsked, UploadList, UploadOut
from services.configuration import general_settings
from services.uploads import CHUNK, NoRoom, UnknownUpload, Upload, Uploads, WrongOffset

#: How a piece of a file is sent, and the header that says where it begins.
PIECE = "application/offset+octet-stream"
OFFSET = "Upload-Offset"
_DAY_S = 86_400.0


def limits() -> tuple[int, float]:
    """Bytes that one file may have, and seconds that an unfinished one is kept."""
    settings = general_settings()
    return int(settings.upload_max_gb * 1e9), settings.upload_keep_days * _DAY_S


def add_routes(blueprint: APIBlueprint, uploads: Callable[[], Uploads]) -> None:
    """Give an area what all uploads share: they are listed, shown, sent piece by piece and cancelled.

    Args:
        blueprint: the area; how a file is announced is its own.
        uploads: its uploads, as they are set up now.
    """

    @blueprint.get("")
    @blueprint.output(UploadList)
    def list_uploads() -> UploadList:
        """The files that have not come yet."""
        return UploadList(uploads=[UploadOut.at(upload) for upload in uploads().unfinished()])

    @blueprint.get("/<upload>")
    @blueprint.output(UploadOut)
    def show_upload(upload: str) -> tuple[UploadOut, int, dict[str, str]]:
        """How far a file has come, also in the header `Upload-Offset`; of a finished one for a day."""
        return _shown(uploads().show(upload))

    @blueprint.patch("/<upload>")
    @blueprint.output(UploadOut)
    def write_piece(upload: str) -> tuple[UploadOut, int, dict[str, str]]:
        """Send a piece as `application/offset+octet-stream`; the header `Upload-Offset` says where it begins.

        What is answered is on the disk. A piece that begins elsewhere than where the last one ended is refused with
        409, and `Upload-Offset` says where that was.
        """
        offset = _offset()
        return _shown(uploads().write(upload, offset, request.get_data(cache=False)))

    @blueprint.delete("/<upload>")
    @blueprint.doc(responses=documented("It is forgotten", "application/json", 204))
    def cancel_upload(upload: str) -> tuple[str, int]:
        """Forget a file and what has come of it."""
        uploads().cancel(upload)
        return "", 204

    blueprint.register_error_handler(WrongOffset, _wrong_offset)
    blueprint.register_error_handler(NoRoom, _no_room)
    blueprint.register_error_handler(UnknownUpload, _unknown)


def _offset() -> int:
    """Where a piece begins, after its type and size were looked at."""
    if request.mimetype != PIECE:
        raise Refusal(415, "media_type", f"A piece of a file is sent with Content-Type: {PIECE}.")
    offset = request.headers.get(OFFSET, "")
    if not offset.isascii() or not offset.isdigit() or len(offset) > 19:
        raise Refusal(400, "bad_request", f"The header {OFFSET} says where a piece begins.")
    if request.content_length is None or request.content_length > CHUNK:
        raise Refusal(413, "too_large", f"A piece has at most {CHUNK} bytes, and tells its Content-Length.")
    request.max_content_length = CHUNK
    return int(offset)


def _wrong_offset(error: WrongOffset) -> Response:
    response = answer(409, "wrong_offset", error.message, hint=error.hint, retry=True, offset=error.offset)
    response.headers[OFFSET] = str(error.offset)
    return response


def _no_room(error: NoRoom) -> Response:
    return answer(507, "no_room", error.message, hint=error.hint, retry=True)


def _unknown(error: UnknownUpload) -> Response:
    return answer(404, "not_found", error.message, hint=error.hint)


def _shown(upload: Upload) -> tuple[UploadOut, int, dict[str, str]]:
    return UploadOut.at(upload), 200, {OFFSET: str(upload.offset)}


def _inbox() -> Uploads:
    return Uploads(*limits())


blueprint = APIBlueprint("uploads", __name__, url_prefix="/api/uploads")
add_routes(blueprint, _inbox)


@blueprint.post("")
@blueprint.input(UploadAsked)
@blueprint.output(UploadOut, status_code=201)
def begin_upload(json_data: UploadAsked) -> UploadOut:
    """Announce a file for the inbox; the same one again, also days later, goes on where it stopped."""
    asked = json_data
    return UploadOut.at(_inbox().begin(asked.name, asked.size, asked.modified, asked.project))
