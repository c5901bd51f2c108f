"""What several areas of the API share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from services.names import Named

#: The largest number the database takes.
LARGEST = 2**63 - 1


class Asked(BaseModel):
    """Base of what is asked: a field that is not known is refused."""

    model_config = ConfigDict(extra="forbid")


class Name(BaseModel):
    """A project, video or file."""

    key: str = Field(description="What it is called in addresses and requests.")
    name: str = Field(description="What it is called on the screen; control characters are escaped.")

    @classmethod
    def of(cls, name: str) -> Name:
        """The name of a file or folder."""
        named = Named.of(name)
        return cls(key=named.key, name=named.name)


class Problem(BaseModel):
    """What went wrong."""

    code: str
    message: str
    hint: str
    retry: bool = Field(description="Whether the same request may succeed later.")
    run: int | None = Field(default=None, description="The run that holds the work, for `conflict`.")


class ErrorAnswer(BaseModel):
    """The one shape of all errors."""

    error: Problem
