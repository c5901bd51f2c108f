"""Projects, their videos, and the files that steps left in them."""

from __future__ import annotations

from urllib.parse import quote

from apiflask import APIBlueprint
from flask import Response, send_file

from routes.context import context
from routes.documentation import documented
from routes.models.projects import (
    ArtifactList,
    ArtifactOut,
    PageAsked,
    ProjectList,
    ProjectOut,
    VideoDetail,
    VideoList,
    VideoOut,
    ZipAsked,
)
from services import projects, zip_stream
from services.names import name_of
from services.status import project_status
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import projects_folder
from workflow_scripts.common.projects import projects_in

blueprint = APIBlueprint("projects", __name__, url_prefix="/api/projects")

#: How files are served; whatever else there is comes as bytes to save, which no browser runs.
_SHOWN = {
    ".mp4": "video/mp4",
    ".csv": "text/csv",
    ".json": "application/json",
    ".rttm": "text/plain",
    ".edl": "text/plain",
    ".txt": "text/plain",
}


@blueprint.get("")
@blueprint.input(PageAsked, location="query")
@blueprint.output(ProjectList)
def list_projects(query_data: PageAsked) -> ProjectList:
    """The projects, by name, with the state of every video in every step."""
    found = projects_in(projects_folder())
    part = found[query_data.offset : query_data.offset + query_data.limit]
    steps = context().video_steps
    return ProjectList(projects=[ProjectOut.at(p, project_status(p, steps)) for p in part], total=len(found))


@blueprint.get("/<project>")
@blueprint.output(ProjectOut)
def show_project(project: str) -> ProjectOut:
    """One project."""
    found = projects.find_project(project)
    return ProjectOut.at(found, project_status(found, context().video_steps))


@blueprint.get("/<project>/videos")
@blueprint.output(VideoList)
def list_videos(project: str) -> VideoList:
    """The videos of a project."""
    statuses = project_status(projects.find_project(project), context().video_steps)
    return VideoList(videos=[VideoOut.at(status) for status in statuses])


@blueprint.get("/<project>/videos/<video>")
@blueprint.output(VideoDetail)
def show_video(project: str, video: str) -> VideoDetail:
    """One video, with the figures of every step."""
    found = projects.find_project(project)
    return VideoDetail.at(projects.find_video(found, video, context().video_steps))


@blueprint.get("/<project>/artifacts")
@blueprint.output(ArtifactList)
def list_artifacts(project: str) -> ArtifactList:
    """The files that steps and exports left in a project."""
    found = projects.find_project(project)
    left = projects.artifacts(found, context().video_steps)
    return ArtifactList(artifacts=[ArtifactOut.at(found, artifact) for artifact in left])


@blueprint.get("/<project>/artifacts.zip")
@blueprint.input(ZipAsked, location="query")
@blueprint.doc(responses=documented("The files in one zip", "application/zip"))
def read_artifacts(project: str, query_data: ZipAsked) -> Response:
    """The files that steps and exports left in a project, or some of them, as one zip."""
    found = projects.find_project(project)
    video = name_of(query_data.video) if query_data.video is not None else None
    if query_data.video is not None and video is None:
        raise projects.UnknownName("There is no such video in this project.")
    left = projects.artifacts(found, context().video_steps)
    wanted = zip_stream.chosen(left, video=video, step=query_data.step, videos=query_data.videos)
    files = zip_stream.located(found, wanted)
    if not files:
        raise projects.UnknownName("There is no such file in this project.")
    response = Response(zip_stream.zipped(files), mimetype="application/zip")
    name = quote(f"{printable(found.name)}.zip".replace("\\", "_"), safe="!#$&+-.^_`|~")
    response.headers["Content-Disposition"] = f"attachment; filename=files.zip; filename*=UTF-8''{name}"
    return response


@blueprint.get("/<project>/artifacts/<path:artifact>")
@blueprint.doc(responses=documented("The file, or the range asked for", "application/octet-stream", 200, 206))
def read_artifact(project: str, artifact: str) -> Response:
    """A file of a project, or a range of it.

    Any file in its `docs`, `exports`, `originals` and `.workflow` folders, videos too.
    """
    path = projects.find_file(projects.find_project(project), artifact)
    kind, stat = _SHOWN.get(path.suffix.lower()), path.stat()
    response = send_file(
        path,
        mimetype=kind or "application/octet-stream",
        as_attachment=kind is None,
        download_name=printable(path.name),
        conditional=True,
        etag=f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}",
    )
    response.headers["Cache-Control"] = "private, no-cache"
    return response
