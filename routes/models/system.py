"""The machine, the settings, the graph of steps, health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from routes.models.common import Asked


class GpuOut(BaseModel):
    """An NVIDIA GPU; memory in bytes, load in percent, temperature in °C."""

    uuid: str
    name: str
    memory_total: int
    memory_used: int
    load: int | None
    temperature: int | None


class EnvironmentOut(BaseModel):
    """A virtual environment that steps run in."""

    name: str
    status: str
    reason: str
    ready: bool


class SystemOut(BaseModel):
    """The machine now; memory and disk in bytes, load in percent of all cores."""

    cores: int
    cpu_load: float
    load_average: float
    memory_total: int
    memory_available: int
    disk_total: int
    disk_free: int
    gpus: list[GpuOut]
    environments: list[EnvironmentOut]


class HistoryAsked(BaseModel):
    """Which part of the machine's history is wanted."""

    span: Literal["hour", "day"] = Field(
        default="hour", description="`hour`: every two seconds; `day`: means of a minute."
    )
    since: float = Field(default=0.0, description="Only what is later than this, in seconds since 1970.")


class GpuHistory(BaseModel):
    """What one GPU did: `load` in shares, `memory` in bytes; null where it was not there or does not say."""

    uuid: str
    name: str
    memory_total: int | None
    load: list[float | None]
    memory: list[float | None]


class HistoryOut(BaseModel):
    """Columns of the same length, oldest first: seconds since 1970, share of all cores, bytes in use."""

    span: Literal["hour", "day"]
    time: list[float]
    cpu: list[float]
    memory: list[float]
    disk: list[float]
    gpus: list[GpuHistory]
    memory_total: int
    disk_total: int


class SettingOut(BaseModel):
    """One effective setting with its origin; a secret one shows only whether it is set."""

    owner: str
    name: str
    value: Any
    origin: str


class SettingsOut(BaseModel):
    """Every effective setting; `problems` are sentences of the steps that could not tell theirs."""

    settings: list[SettingOut]
    problems: list[str]


class StepOut(BaseModel):
    """A step of the graph."""

    key: str
    number: str
    title: str
    needs: list[str]
    environment: str
    slot: str
    figures: list[str]


class StepList(BaseModel):
    """The steps in an order in which they can run."""

    steps: list[StepOut]


class HealthOut(BaseModel):
    """Whether the service is up; without a worker nothing that is asked for begins."""

    status: str = Field(description="`ok`, or `no worker`.")
    worker: bool
    last_event: int


class SessionAsked(Asked):
    """The token, once, in exchange for a cookie."""

    token: str = Field(max_length=4096)


class SessionOut(BaseModel):
    """Whether the browser may ask."""

    open: bool
