"""A program that runs in a step's environment and tells what the step knows of itself, as one JSON object.

`python -m services.step_probe SCRIPT [--models]`: its parameters with help, default and allowed values; the
effective values with their origins, or why there are none; and where asked, its models.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from workflow_scripts.common.devices import prepare_environment
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.common.paths import config_folder
from workflow_scripts.common.settings import Parameter, Settings, load_dotenv, resolve
from workflow_scripts.common.step import Step


def main() -> int:
    """Print what is known of the step in a script."""
    script, *options = sys.argv[1:]
    load_dotenv()
    prepare_environment()
    step = step_in(Path(script))
    told: dict[str, Any] = {"file": step.config, "parameters": [_described(one) for one in step.parameters]}
    try:
        values = resolve(step.parameters, config_folder() / step.config, {})
        told |= {"values": values.described(), "problem": ""}
        if "--models" in options:
            told |= _models(step, values)
    except WorkflowError as error:
        told |= {"values": {}, "problem": printable(str(error)), "models": [], "models_problem": str(error)}
    print(json.dumps(told))
    return 0


def step_in(path: Path) -> Step[Any]:
    """The step that a script defines."""
    spec = importlib.util.spec_from_file_location("probed_step", path)
    assert spec is not None and spec.loader is not None, "a script is a Python file"
    module = sys.modules["probed_step"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Step) and value.__module__ == module.__name__
    )
    made: Step[Any] = found()
    return made


def _described(parameter: Parameter) -> dict[str, Any]:
    default = parameter.default
    return {
        "name": parameter.name,
        "kind": parameter.type.__name__,
        "default": str(default) if isinstance(default, Path) else default,
        "help": parameter.help,
        "allowed": parameter.allowed,
        "minimum": parameter.minimum,
        "maximum": parameter.maximum,
        "choices": parameter.choices,
        "special": parameter.special,
        "variables": parameter.variables,
        "affects_result": parameter.affects_result,
        "secret": parameter.secret,
    }


def _models(step: Step[Any], values: Settings) -> dict[str, Any]:
    try:
        records = [_model(record) for record in step.models(values)]
    except WorkflowError as error:
        return {"models": [], "models_problem": printable(str(error))}
    return {"models": records, "models_problem": ""}


def _model(record: ModelRecord) -> dict[str, str]:
    """A model's record, and what the package that it comes from says of itself."""
    told = {"name": record.name, "sha256": record.sha256, "source": record.source, "version": "", "licence": ""}
    try:
        package = importlib.metadata.metadata(record.source)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return told
    said = [package[name] for name in ("License-Expression", "License") if name in package]
    licence = next((text for text in said if text and text != "UNKNOWN"), "")
    return {**told, "version": package["Version"], "licence": licence}


if __name__ == "__main__":
    sys.exit(main())
