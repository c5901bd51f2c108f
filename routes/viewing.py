"""The data behind the page of a video: any range of what its artifacts say, now or earlier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar, cast

from apiflask import APIBlueprint
from flask import Flask, Response, current_app, jsonify, make_response
from pydantic import BaseModel

from routes.context import context
from routes.models.viewing import (
    CompareAsked,
    ComparisonOut,
    FacesOut,
    FramesAsked,
    FramesOut,
    OfAsked,
    RangeAsked,
    ScoresOut,
    SecondsAsked,
    ShotsOut,
    SoundOut,
    ViewOut,
    WordsAsked,
    WordsOut,
)
from services.known_statuses import STATUSES
from services.projects import find_project
from services.viewing import faces, shots, sound, words
from services.viewing.compare import COMPARE
from services.viewing.index import Index
from services.viewing.indexes import Indexes
from services.viewing.jobs import Jobs, Preparing
from services.viewing.overview import overview, rate_of
from services.viewing.sources import STEP_OF, find_viewed
from workflow_scripts.common.projects import Video

blueprint = APIBlueprint("viewing", __name__, url_prefix="/api/projects/<project>/videos/<video>/view")

_INDEXES = "viewing_indexes"
_JOBS = "viewing_jobs"
_KIND_OF = {step: kind for kind, step in STEP_OF.items()}
_SHARE = {"type": "object", "properties": {"what": {"type": "string"}, "share": {"type": "number"}}}
_SCHEMA = {"type": "object", "properties": {"preparing": _SHARE}}
#: What an operation answers while its data is still being read.
NOT_YET: Any = {
    202: {"description": "It is still being read: ask again", "content": {"application/json": {"schema": _SCHEMA}}}
}
OutT = TypeVar("OutT", bound=BaseModel)


@blueprint.record_once
def _with_indexes(state: Any) -> None:
    """Give an application what makes and keeps indexes; it begins no thread before it is asked."""
    jobs = state.app.extensions[_JOBS] = Jobs()
    state.app.extensions[_INDEXES] = Indexes(jobs)


def close(app: Flask) -> None:
    """End what an application prepares in the background."""
    cast(Jobs, app.extensions[_JOBS]).close()


@blueprint.get("")
@blueprint.output(ViewOut)
def show_view(project: str, video: str) -> ViewOut:
    """A video at first sight: its clock, how its steps stand, who speaks and who is seen, what can be compared."""
    found = _video(project, video)
    return ViewOut.of(STATUSES.of_video(found, context().video_steps), overview(_indexes(), found))


@blueprint.get("/shots")
@blueprint.input(OfAsked, location="query")
@blueprint.output(ShotsOut)
@blueprint.doc(responses=NOT_YET)
def list_shots(project: str, video: str, query_data: OfAsked) -> Response | ShotsOut:
    """The shots as the delivered file says them, with how each begins."""
    index = _indexes().get(_video(project, video), "shots", query_data.of)
    return _told(index, lambda found: ShotsOut.model_validate({"shots": _plain(shots.shots(found))}))


@blueprint.get("/scores")
@blueprint.input(RangeAsked, location="query")
@blueprint.output(ScoresOut)
@blueprint.doc(responses=NOT_YET)
def show_scores(project: str, video: str, query_data: RangeAsked) -> Response | ScoresOut:
    """The scores behind the shots, in about as many points as asked for, without losing a peak."""

    def told(index: Index) -> ScoresOut:
        return ScoresOut(**vars(shots.scores(index, query_data.start, query_data.end, query_data.points)))

    return _told(_indexes().get(_video(project, video), "shots", query_data.of), told)


@blueprint.get("/turns")
@blueprint.input(SecondsAsked, location="query")
@blueprint.output(SoundOut)
@blueprint.doc(responses=NOT_YET)
def show_turns(project: str, video: str, query_data: SecondsAsked) -> Response | SoundOut:
    """Who speaks when, and where there is speech."""
    viewed = _video(project, video)

    def told(index: Index) -> SoundOut:
        heard = sound.sound(index, rate_of(viewed), query_data.start, query_data.end)
        return SoundOut.model_validate({"turns": _plain(heard.turns), "speech": heard.speech})

    return _told(_indexes().get(viewed, "sound", query_data.of), told)


@blueprint.get("/words")
@blueprint.input(WordsAsked, location="query")
@blueprint.output(WordsOut)
@blueprint.doc(responses=NOT_YET)
def list_words(project: str, video: str, query_data: WordsAsked) -> Response | WordsOut:
    """What is said, word by word, and by whom."""

    def told(index: Index) -> WordsOut:
        found = words.words(index, query_data.start, query_data.end)
        return WordsOut.model_validate({"language": index.meta["language"], "words": _plain(found)})

    return _told(_indexes().get(_video(project, video), "words"), told)


@blueprint.get("/faces")
@blueprint.input(RangeAsked, location="query")
@blueprint.output(FacesOut)
@blueprint.doc(responses=NOT_YET)
def show_faces(project: str, video: str, query_data: RangeAsked) -> Response | FacesOut:
    """When each identity is seen and speaks, in at most as many spans as points were asked for."""

    def told(index: Index) -> FacesOut:
        seen = faces.presence(index, query_data.start, query_data.end, query_data.points)
        return FacesOut.model_validate({**vars(seen), "identities": _plain(seen.identities)})

    return _told(_indexes().get(_video(project, video), "faces", query_data.of), told)


@blueprint.get("/frames")
@blueprint.input(FramesAsked, location="query")
@blueprint.output(FramesOut)
@blueprint.doc(responses=NOT_YET)
def show_frames(project: str, video: str, query_data: FramesAsked) -> Response | FramesOut:
    """What is in each of up to 500 frames: boxes, identities, mouths, and who speaks."""

    def told(index: Index) -> FramesOut:
        seen = faces.boxes(index, query_data.start, query_data.end)
        return FramesOut.model_validate({"start": query_data.start, "frames": [_plain(frame) for frame in seen]})

    return _told(_indexes().get(_video(project, video), "faces", query_data.of), told)


@blueprint.get("/compare")
@blueprint.input(CompareAsked, location="query")
@blueprint.output(ComparisonOut)
@blueprint.doc(responses=NOT_YET)
def compare(project: str, video: str, query_data: CompareAsked) -> Response | ComparisonOut:
    """Where what there is now differs from an earlier result of the same step."""
    found, kind = _video(project, video), _KIND_OF[query_data.step]
    then = _indexes().get(found, kind, query_data.of)
    if isinstance(then, Preparing):
        return _wait(then)
    now = _indexes().get(found, kind)
    if isinstance(now, Preparing):
        return _wait(now)
    return ComparisonOut.of(COMPARE[query_data.step](now, then, rate_of(found)))


def _told(index: Index | Preparing, tell: Callable[[Index], OutT]) -> Response | OutT:
    """What an index tells, or how far it is."""
    return _wait(index) if isinstance(index, Preparing) else tell(index)


def _wait(preparing: Preparing) -> Response:
    return make_response(jsonify({"preparing": asdict(preparing)}), 202)


def _plain(values: list[Any]) -> list[dict[str, Any]]:
    """Values as dictionaries, not copied: there may be thousands."""
    return [vars(value) for value in values]


def _video(project: str, video: str) -> Video:
    return find_viewed(find_project(project), video)


def _indexes() -> Indexes:
    return cast(Indexes, current_app.extensions[_INDEXES])
