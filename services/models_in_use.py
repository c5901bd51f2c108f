"""The models that the steps would use now: name, content, where they come from, under which licence."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from services.environments import environments
from services.pipeline import Pipeline, StepDefinition
from services.step_facts import Model, StepFacts
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.speech_models import EMBEDDED

#: Steps that are asked at once.
_AT_ONCE = 2
#: Licences of files whose package does not name one, by the sha256 of the file; docs/environments.md.
_LICENCES = {
    "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85": "MIT",
    "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e": "Apache-2.0",
    "0b5b3216d60a2d32fc086b47ea8c67589aaeb26b7e07fcbe620d6d0b83e209ea": "MIT",
    **{file.sha256: model.licence for model in EMBEDDED.values() for file in model.files},
}
_IN_WORDS = re.compile(r"(?P<source>.+) \((?P<licence>[A-Za-z]+-[\d.]+)\)")


@dataclass(frozen=True)
class ModelInUse:
    """A model of a step; `licence` is empty where nobody says, `file` where it lies inside its package."""

    step: str
    name: str
    sha256: str
    source: str
    licence: str
    file: str


@dataclass(frozen=True)
class StepModels:
    """The models of one step; `problem` says why they are not known."""

    step: str
    models: tuple[ModelInUse, ...]
    problem: str = ""


def models_in_use(pipeline: Pipeline, facts: StepFacts) -> list[StepModels]:
    """The models of every step that has some, or cannot tell."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda step: _of(step, facts), pipeline.steps)
        return [one for one in found if one.models or one.problem]


def _of(step: StepDefinition, facts: StepFacts) -> StepModels:
    try:
        return StepModels(step.key, tuple(_in_use(step.key, model) for model in facts.models(step)))
    except WorkflowError as error:
        return StepModels(step.key, (), printable(str(error)))


def _in_use(step: str, model: Model) -> ModelInUse:
    source = f"{model.source} {model.version}".strip()
    licence = model.licence or _LICENCES.get(model.sha256, "")
    if match := _IN_WORDS.fullmatch(source):
        source, licence = match["source"], licence or match["licence"]
    assets = {
        file.sha256: f"{environment.name}/{asset.folder}/{file.name}"
        for environment in environments()
        for asset in environment.assets
        for file in asset.files
        if (environment.path / asset.folder / file.name).is_file()
    }
    return ModelInUse(step, model.name, model.sha256, source, licence, assets.get(model.sha256, ""))
