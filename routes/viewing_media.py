"""Pictures and sound behind the page of a video: what the browser plays, thumbnails, the sound curve."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from apiflask import APIBlueprint, APIFlask
from flask import Response, current_app, jsonify, make_response, send_file, url_for

from routes.documentation import documented
from routes.errors import Refusal
from routes.models.viewing_media import (
    PeaksAsked,
    PeaksOut,
    PlaybackOut,
    ThumbAsked,
    VideoAsked,
)
from services.viewing.jobs import Jobs, Preparing
from services.viewing.peaks import has_peaks, make_peaks, read_peaks
from services.viewing.playable import Film, find_film, is_playable
from services.viewing.proxies import find_proxy, make_proxy
from services.viewing.thumbnails import Thumbnails
from workflow_scripts.common.events import printable

blueprint = APIBlueprint("viewing_media", __name__, url_prefix="/api/projects/<project>/videos/<video>/view")

_EXTENSION = "viewing_media"
#: What never changes at its address.
_FOR_EVER = "private, max-age=31536000, immutable"
_NOT_YET: Any = documented("It is still being made, `preparing` tells how far: ask again", "application/json", 202)


@dataclass(frozen=True)
class ViewingMedia:
    """What makes pictures and sound curves for an application: proxies never wait behind sound, nor the reverse."""

    proxies: Jobs = field(default_factory=lambda: Jobs(1))
    sounds: Jobs = field(default_factory=lambda: Jobs(1))
    thumbnails: Thumbnails = field(default_factory=Thumbnails)

    def close(self) -> None:
        """Give up what is being made."""
        self.thumbnails.close()
        self.proxies.close()
        self.sounds.close()


@blueprint.record_once
def _with_media(state: Any) -> None:
    """Give an application its own; no thread begins before something is asked."""
    state.app.extensions[_EXTENSION] = ViewingMedia()


def close(app: APIFlask) -> None:
    """Make nothing more for an application; what is being made is given up."""
    cast(ViewingMedia, app.extensions[_EXTENSION]).close()


@blueprint.get("/playback")
@blueprint.output(PlaybackOut)
def show_playback(project: str, video: str) -> PlaybackOut:
    """Whether a browser can play the video now, and where; making what it can play begins with this.

    `proxy` is a smaller picture of exactly the same frames, for a video that browsers cannot play.
    """
    film = find_film(project, video)
    playing = _playing(film)
    is_ready = isinstance(playing, Path)
    address = url_for(".play_video", project=project, video=video, v=film.version)
    return PlaybackOut(
        ready=is_ready,
        url=address if is_ready else None,
        kind="original" if playing == film.video.path else "proxy",
        share=1.0 if isinstance(playing, Path) else playing.share,
        version=film.version,
    )


@blueprint.get("/video")
@blueprint.input(VideoAsked, location="query")
@blueprint.doc(responses=documented("The video, or the range asked for", "video/mp4", 200, 206) | _NOT_YET)
def play_video(project: str, video: str, query_data: VideoAsked) -> Response:
    """What a browser can play of the video, whole or a range of it; frame n is decoded frame n, from 0."""
    film = find_film(project, video)
    _require_version(film, query_data.v)
    playing = _playing(film)
    if isinstance(playing, Preparing):
        return _wait(playing)
    stat = playing.stat()
    etag = f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
    name = printable(film.video.name)
    response = send_file(playing, mimetype="video/mp4", download_name=name, conditional=True, etag=etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.get("/thumb/<int:frame>.jpg")
@blueprint.input(ThumbAsked, location="query")
@blueprint.doc(
    responses=documented("The picture", "image/jpeg")
    | documented("It is still being decoded: ask again", "application/json", 202)
)
def show_thumb(project: str, video: str, frame: int, query_data: ThumbAsked) -> Response:
    """A frame of the video, from 0, as a small picture. With the video's version as `v` it may be kept for ever."""
    film = find_film(project, video)
    _require_version(film, query_data.v)
    picture = _media().thumbnails.get(film, frame, query_data.height)
    if picture is None:
        return _wait(Preparing("picture", 0.0))
    response = Response(picture, mimetype="image/jpeg")
    response.headers["Cache-Control"] = _FOR_EVER if query_data.v else "private, no-cache"
    return response


@blueprint.get("/peaks")
@blueprint.input(PeaksAsked, location="query")
@blueprint.output(PeaksOut)
@blueprint.doc(responses=_NOT_YET)
def show_peaks(project: str, video: str, query_data: PeaksAsked) -> Response | PeaksOut:
    """The sound curve of a range, in as many points as asked for; 202 while the curve is being made."""
    film = find_film(project, video)
    if not film.media.has_sound:
        return PeaksOut(has_sound=False)
    if not has_peaks(film):
        made = _media().sounds.ensure(film, lambda progress: make_peaks(film, progress), what="peaks")
        if isinstance(made, Preparing):
            return _wait(made)
    end = film.seconds if query_data.end is None else query_data.end
    peaks = read_peaks(film, query_data.start, end, query_data.points)
    return _wait(Preparing("peaks", 1.0)) if peaks is None else PeaksOut.of(peaks)


def _require_version(film: Film, version: str) -> None:
    """Refuse to show a page that was opened on another content of the video what it would take for that one."""
    if version and version != film.version:
        raise Refusal(409, "changed", "The video has changed since this page was opened.", hint="Load it again.")


def _playing(film: Film) -> Path | Preparing:
    """The file that a browser plays of a film, or how far it is."""
    if is_playable(film):
        return film.video.path
    if (proxy := find_proxy(film)) is not None:
        return proxy
    made = _media().proxies.ensure(film, lambda progress: make_proxy(film, progress), what="video")
    if isinstance(made, Preparing):
        return made
    return find_proxy(film) or Preparing("video", 1.0)


def _media() -> ViewingMedia:
    return cast(ViewingMedia, current_app.extensions[_EXTENSION])


def _wait(preparing: Preparing) -> Response:
    return make_response(jsonify({"preparing": {"what": preparing.what, "share": preparing.share}}), 202)
