"""The folder of a pyannote pipeline: a local one, or the hub's copy, downloaded once with a token.

ready_folder()     the hub's copy where it is downloaded: no network
preflight(token)   before anything starts: may this token download it? Asks the hub once, briefly
hub_folder(token)  the hub's copy, downloading it on first use
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from workflow_scripts.common.audio_settings import TOKEN_VARIABLES, PipelineParameters, token_variable
from workflow_scripts.common.errors import PreconditionError
from workflow_scripts.common.manifest import ModelRecord, sha256_of

HUB_MODEL = "pyannote/speaker-diarization-community-1"
HUB_PAGE = f"https://huggingface.co/{HUB_MODEL}"
CONFIG_NAME = "config.yaml"
HUB_TIMEOUT_SECONDS = "5"
PREFLIGHT_SECONDS = 1.5
"""How long the hub has for its answer before a run, looking up its name included."""
OTHER_WAYS = (
    "Or set pyannote_model to a local folder of the pipeline, or engine to embedded: neither needs the hub."
)

AnswerT = TypeVar("AnswerT")


def hub_token(environment: Mapping[str, str] = os.environ) -> str | None:
    """The hub token that is configured, None where there is none."""
    name = token_variable(environment)
    return environment[name] if name else None


def checked_folder(folder: Path) -> Path:
    """Return the absolute path of a local pipeline folder.

    Raises:
        PreconditionError: there is no such folder, or its `config.yaml` or something that names is not in it
            (pyannote would take a missing folder for a name on the hub and ask for it over the network).
    """
    if not folder.is_dir():
        raise PreconditionError(
            f"The pyannote model folder {folder} does not exist.",
            hint="Set pyannote_model to a folder that holds config.yaml, or leave it out.",
        )
    config = folder / CONFIG_NAME
    wanted = re.findall(r"\$model/([\w.-]+)", config.read_text("utf-8", "replace")) if config.is_file() else []
    missing = [name for name in (CONFIG_NAME, *wanted) if not (folder / name).exists()]
    if missing:
        raise PreconditionError(
            f"The pyannote model folder {folder} is not complete: {missing[0]} is missing.",
            hint="Download the whole model repository into the folder.",
        )
    return folder.absolute()


def ready_folder() -> Path | None:
    """The folder of the hub's pipeline where it is downloaded as a whole; asks nobody."""
    prepare_environment(offline=False)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return checked_folder(Path(snapshot_download(HUB_MODEL, local_files_only=True)))
    except (LocalEntryNotFoundError, PreconditionError):  # not downloaded yet, or only in part
        return None


def preflight(token: str, seconds: float = PREFLIGHT_SECONDS) -> None:
    """Make sure that the hub's pipeline is downloaded, or that this token may download it.

    Asks for the head of one small file, once, and gives up after so many seconds.

    Raises:
        PreconditionError: the token is wrong, the terms are not accepted, or the hub is out of reach.
    """
    if ready_folder() is not None:
        return
    if not re.fullmatch(r"[!-~]+", token):  # it could not even be sent
        raise _wrong_token()
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    address = f"{constants.ENDPOINT}/{HUB_MODEL}/resolve/main/{CONFIG_NAME}"
    headers = {"Authorization": f"Bearer {token}"}

    def ask() -> Any:
        return get_session().head(address, headers=headers, timeout=seconds, follow_redirects=False)

    try:
        answer = _within(seconds, ask)
    except Exception as error:  # of the network, of whatever client the hub's library uses
        raise _out_of_reach() from error
    if answer.status_code >= 400:
        raise _refusal(answer)


def hub_folder(token: str) -> Path:
    """Return the folder of the hub's pipeline, downloading it on first use.

    Raises:
        PreconditionError: the token is wrong, the terms are not accepted, or the hub is out of reach.
    """
    ready = ready_folder()
    if ready is not None:
        return ready
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return checked_folder(Path(snapshot_download(HUB_MODEL, token=token)))
    except HfHubHTTPError as error:
        raise _refusal(error.response) from error
    except (OSError, ValueError) as error:  # no network; huggingface_hub's offline errors are OSErrors
        raise _out_of_reach() from error


def _refusal(answer: Any) -> PreconditionError:
    """What the hub's answer, with a status of 400 or more, means to people."""
    if answer.status_code == 401:
        return _wrong_token()
    if answer.headers.get("X-Error-Code") == "GatedRepo":
        text = f"The terms of {HUB_MODEL} are not accepted yet by the account of this token."
        hint = f"Accept them on {HUB_PAGE} with that account."
    elif answer.status_code == 403:
        text = f"The hub does not let this token read {HUB_MODEL}."
        hint = f"Give the token the right to read public gated repositories, and accept the terms on {HUB_PAGE}."
    else:
        text = f"The hub did not hand out {HUB_MODEL} (status {answer.status_code})."
        hint = "Try again later."
    return PreconditionError(text, hint=f"{hint} {OTHER_WAYS}", retry=answer.status_code >= 500)


def _wrong_token() -> PreconditionError:
    variable = token_variable() or TOKEN_VARIABLES[0]
    return PreconditionError(
        "The hub does not know this token: it is wrong, or it has expired.",
        hint=f"Check {variable} against https://huggingface.co/settings/tokens. {OTHER_WAYS}",
    )


def _out_of_reach() -> PreconditionError:
    return PreconditionError(
        f"{HUB_MODEL} is not downloaded yet, and the hub cannot be reached.",
        hint=f"Connect once, so that it can be downloaded. {OTHER_WAYS}",
        retry=True,
    )


def _within(seconds: float, ask: Callable[[], AnswerT]) -> AnswerT:
    """What a question is answered, in so many seconds at most; a name server that hangs minds no other limit.

    Raises TimeoutError, or what the question raised.
    """
    answers: list[AnswerT] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer in {seconds:g} s")
    return answers[0]


def folder_records(folder: Path) -> tuple[ModelRecord, ...]:
    """The files of a pipeline folder with their sha256, by name; hidden files and texts about it are left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    names = {path.relative_to(folder).as_posix(): path for path in files}
    kept = sorted(name for name in names if not any(part.startswith(".") for part in Path(name).parts))
    return tuple(ModelRecord(f"pyannote {name}", sha256_of(names[name]), folder.name) for name in kept)


def hub_records() -> tuple[ModelRecord, ...]:
    """The files of the hub's pipeline; one record without a sha256 while it is not downloaded."""
    ready = ready_folder()
    if ready is None:
        return (ModelRecord(f"pyannote {HUB_MODEL}", "", "not downloaded yet"),)
    return folder_records(ready)


def parameters_record(parameters: PipelineParameters) -> ModelRecord:
    """Parameters that replace the pipeline's own: they decide the result as its files do, however written."""
    text = json.dumps(parameters, sort_keys=True)
    return ModelRecord("pyannote parameters", hashlib.sha256(text.encode()).hexdigest(), text)


def prepare_environment(*, offline: bool) -> None:
    """Set what pyannote and the hub's client read when they are imported: no telemetry, no waiting."""
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", HUB_TIMEOUT_SECONDS)
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    if offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
