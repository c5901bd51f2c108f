"""Every effective setting with its origin: those of the house here, those of a step from the step itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.environments import python_of
from services.pipeline import Pipeline, StepDefinition
from services.planning import arguments, ask
from services.runs import RunOptions
from workflow_scripts.common import paths
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.settings import Parameter, Settings, resolve

#: The settings that are not one step's; all are environment variables, which `.env` may hold too.
GENERAL = (
    Parameter("data_dir", Path, paths.ROOT, "Folder of inbox, projects, output", env="WORKFLOW_DATA_DIR"),
    Parameter("config_dir", Path, paths.ROOT / "config", "Folder of parameter files", env="WORKFLOW_CONFIG_DIR"),
    Parameter("ffmpeg", Path, None, "The ffmpeg to use; not set is the best one found", env="WORKFLOW_FFMPEG"),
    Parameter(
        "models_dir",
        Path,
        None,
        "Folder of fetched models; not set is the data folder's",
        env="WORKFLOW_MODELS_DIR",
    ),
    Parameter("cpu_slots", int, 2, "Steps side by side on the CPU", 1, 64, env="WORKFLOW_CPU_SLOTS"),
    Parameter(
        "torch", str, "auto", "Build of torch to set up", choices=("auto", "cpu", "cuda"), env="WORKFLOW_TORCH"
    ),
    Parameter("python", Path, None, "The Python to set up with; not set is the best found", env="WORKFLOW_PYTHON"),
    Parameter("history_days", int, 90, "Days that runs are remembered", 1, 36500, env="WORKFLOW_HISTORY_DAYS"),
    Parameter("watch_inbox", bool, False, "Whether the inbox starts runs", env="WORKFLOW_WATCH_INBOX"),
    Parameter(
        "inbox_steps", str, None, "Steps of such a run (as --steps); not set is all", env="WORKFLOW_INBOX_STEPS"
    ),
    Parameter(
        "inbox_quiet_s",
        float,
        15.0,
        "Seconds that a file in the inbox must not change",
        1,
        3600,
        env="WORKFLOW_INBOX_QUIET_S",
    ),
    Parameter("web_host", str, "127.0.0.1", "Address the API listens on", env="WORKFLOW_WEB_HOST"),
    Parameter("web_port", int, 8000, "Port the API listens on", 1, 65535, env="WORKFLOW_WEB_PORT"),
    Parameter(
        "web_names", str, None, "Names and addresses it is also reached by, with commas", env="WORKFLOW_WEB_NAMES"
    ),
    Parameter(
        "web_token",
        str,
        None,
        "What a client must show; needed beyond this machine",
        env="WORKFLOW_WEB_TOKEN",
        secret=True,
    ),
    Parameter("web_streams", int, 12, "Event streams one client may hold", 1, 60, env="WORKFLOW_WEB_STREAMS"),
    Parameter("web_body_kb", int, 1024, "Largest request, in kB", 1, 65536, env="WORKFLOW_WEB_BODY_KB"),
    Parameter("upload_max_gb", float, 500.0, "Largest upload, in GB", 0.001, env="WORKFLOW_UPLOAD_MAX_GB"),
    Parameter(
        "upload_keep_days", int, 7, "Days that unfinished uploads are kept", 1, 365, env="WORKFLOW_UPLOAD_KEEP_DAYS"
    ),
)


@dataclass(frozen=True)
class Effective:
    """One effective setting, as it is shown to people."""

    owner: str
    name: str
    value: Any
    origin: str


def general_settings() -> Settings:
    """The effective settings of the house."""
    return resolve(GENERAL, None, {})


def house_settings() -> list[Effective]:
    """The settings of the house with their origins."""
    return [
        Effective("general", name, row["value"], row["origin"])
        for name, row in general_settings().described().items()
    ]


def effective_settings(pipeline: Pipeline) -> list[Effective]:
    """Every setting: the house's, then each step's as that step itself sees them.

    Raises:
        PreconditionError: a step's environment is missing.
        UsageError: a step refuses its configuration.
    """
    found = house_settings()
    for step in pipeline.steps:
        found += step_settings(step)
    return found


def step_settings(step: StepDefinition) -> list[Effective]:
    """The effective parameters of one step, as that step itself tells them.

    Raises:
        PreconditionError: its environment is missing.
        UsageError: it refuses its configuration.
    """
    rows = json.loads(ask(step, [*_script(step), "--show-config"]))["parameters"]
    return [Effective(step.key, name, row["value"], row["origin"]) for name, row in rows.items()]


def check_parameters(pipeline: Pipeline, options: RunOptions) -> None:
    """See that each step takes the values that are given for a run, by asking it.

    Raises:
        PreconditionError: a step's environment is missing.
        UsageError: a step has no parameter of such a name, or does not allow a value.
    """
    pipeline.check(list(options.parameters))
    for key, given in options.parameters.items():
        step = pipeline[key]
        known = json.loads(ask(step, [*_script(step), *arguments(step, options), "--show-config"]))["parameters"]
        for name in given:
            if name not in known:  # the beginning of a name would do on a command line
                raise UsageError(f"{key}: there is no parameter {name!r}.", hint=f"Known are {', '.join(known)}.")


def _script(step: StepDefinition) -> list[str]:
    return [str(python_of(step.environment)), str(step.path)]
