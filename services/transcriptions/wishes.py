"""What may be wished for: the speech models that are here, the languages that are known."""

from __future__ import annotations

from services.speech_models import models
from services.transcriptions.model import Wish
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.languages import LANGUAGES
from workflow_scripts.common.speech_models import find_model, is_path

#: The language is detected.
AUTO = "auto"
TASKS = ("transcribe", "translate")


def check_wish(wish: Wish) -> None:
    """See that a wish can be fulfilled.

    Raises:
        UsageError: there is no such language, task or model.
        PreconditionError: the model is not here.
    """
    if wish.language and wish.language not in (AUTO, *LANGUAGES):
        raise UsageError(f"{wish.language!r} is no code of a language.", hint=f"Known are {', '.join(LANGUAGES)}.")
    if wish.task and wish.task not in TASKS:
        raise UsageError(f"{wish.task!r} is no task.", hint=f"Known are {', '.join(TASKS)}.")
    if wish.model:
        if is_path(wish.model):
            raise UsageError("A model is chosen by its name here.", hint="Import its folder to give it one.")
        find_model(wish.model)


def model_names() -> list[str]:
    """The names of the models that are here."""
    return [one.name for one in models() if one.state == "here"]
