"""Files that come in pieces."""

from __future__ import annotations

from pydantic import BaseModel, Field

from routes.models.common import LARGEST, Asked
from services.uploads import CHUNK, Upload
from workflow_scripts.common.events import printable


class FileAsked(Asked):
    """A file to send: what tells it from others."""

    name: str = Field(max_length=1000, description="Its name, with its suffix.")
    size: int = Field(ge=0, le=LARGEST, description="Its bytes.")
    modified: int = Field(
        default=0, ge=-LARGEST, le=LARGEST, description="When it was changed last, in ms since 1970."
    )


class UploadAsked(FileAsked):
    """An archive or a video, for the inbox."""

    project: str = Field(
        default="",
        max_length=1000,
        description="For videos: the project that all of them become together, once all have come.",
    )


class UploadOut(BaseModel):
    """A file that comes, or has come: `offset` bytes of it are on the disk."""

    id: str
    name: str
    size: int
    modified: int
    project: str
    offset: int = Field(description="Where the next piece begins.")
    whole: bool = Field(description="Whether all of it has come; others of its project may not have.")
    stored_as: str = Field(
        description="Where it is in the inbox, or the key of its transcription; empty until it is there."
    )
    chunk: int = Field(default=CHUNK, description="The largest piece, in bytes.")

    @classmethod
    def at(cls, upload: Upload) -> UploadOut:
        """An upload."""
        return cls(
            id=upload.id,
            name=printable(upload.name),
            size=upload.size,
            modified=upload.modified,
            project=printable(upload.project),
            offset=upload.offset,
            whole=upload.whole,
            stored_as=printable(upload.stored_as),
        )


class UploadList(BaseModel):
    """The files that have not come yet, by project and name."""

    uploads: list[UploadOut]
