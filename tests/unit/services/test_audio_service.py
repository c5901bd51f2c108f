"""The effective configuration of STEP4 as services tell it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services import audio_service
from services.audio_service import AudioService
from services.doctor import _token
from workflow_scripts.common import settings
from workflow_scripts.common.audio_parameters import PARAMETERS
from workflow_scripts.common.audio_settings import TOKEN_VARIABLES
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.gpu_inventory import Inventory
from workflow_scripts.common.gpu_policy import Gpu
from workflow_scripts.common.paths import ROOT


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without GPU, a parameter file that says nothing, no setting from outside."""
    for name in (*TOKEN_VARIABLES, *(name for p in PARAMETERS for name in p.variables), "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")  # so that what .env puts there is taken away again
        monkeypatch.delenv(name)
    monkeypatch.setattr(settings, "_from_dotenv", set())
    monkeypatch.setattr(audio_service, "inventory", Inventory)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "step4_audio.json").write_text("{}")
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path / "config"))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU with 12 GB, and an environment that can use it."""
    found = Inventory((Gpu(0, "a large one", "GPU-1", "01:00.0", 12_884_901_888),))
    monkeypatch.setattr(audio_service, "inventory", lambda: found)
    monkeypatch.setattr(audio_service, "read_stamp", lambda _environment: None)


def config() -> dict[str, Any]:
    """The effective configuration."""
    return AudioService().get_config()


def test_every_parameter_is_told_with_its_origin(
    data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_folder.mkdir()
    (data_folder / ".env").write_text("AUDIO_PROFILE=cpu_only\nPYANNOTE_BATCH_SIZE=4\n")
    (tmp_path / "config" / "step4_audio.json").write_text('{"speech_threshold": 0.4, "batch_size": 2}')
    monkeypatch.setenv("MIN_SPEECH_DURATION_MS", "200")
    found = config()
    assert set(found["parameters"]) == {parameter.name for parameter in PARAMETERS}
    assert found["parameters"]["profile"] == {"value": "cpu_only", "origin": ".env AUDIO_PROFILE"}
    assert found["parameters"]["batch_size"] == {"value": 4, "origin": ".env PYANNOTE_BATCH_SIZE"}
    assert found["parameters"]["speech_threshold"] == {"value": 0.4, "origin": "config/step4_audio.json"}
    assert found["parameters"]["min_speech_duration_ms"]["origin"] == "environment MIN_SPEECH_DURATION_MS"
    assert found["parameters"]["engine"] == {"value": "auto", "origin": "default"}
    assert (found["profile"], found["canonical_profile"], found["batch_size"]) == ("cpu_only", "cpu", 8)
    assert (found["device"], found["device_reason"]) == ("cpu", "as the settings say")


def test_a_machine_without_gpu_computes_in_fp32_on_the_cpu() -> None:
    found = config()
    assert found["device"] == "cpu" and "only where that is asked for by name" in found["device_reason"]
    assert (found["precision"], found["amp"], found["batch_size"], found["engine"]) == (
        "FP32",
        False,
        8,
        "embedded",
    )
    assert "FP32 pur sur CPU" in found["profile_line"]


@pytest.mark.usefixtures("gpu")
def test_with_a_gpu_the_profile_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config()["device"] == "cpu"  # the embedded engine leaves it to others
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = config()
    assert (found["device"], found["precision"], found["batch_size"]) == ("cuda", "FP32", 16)
    monkeypatch.setenv("AUDIO_PROFILE", "gpu_optimized")
    found = config()
    assert (found["device"], found["precision"], found["amp"]) == ("cuda", "float16", True)
    assert "AMP=1, batch_size=16" in found["profile_line"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = config()
    assert (found["device"], found["precision"]) == ("cpu", "FP32")
    assert found["notes"]


def test_the_token_is_named_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert config()["token"] is None
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    found = config()
    assert found["token"] == "HF_TOKEN (hidden)" and "hf_secret" not in str(found)
    assert found["engine"] == "pyannote"


def test_a_value_that_is_not_allowed_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_PROFILE", "turbo")
    with pytest.raises(
        UsageError, match=r"profile = 'turbo' \(environment AUDIO_PROFILE\) is not allowed"
    ) as error:
        config()
    assert "gpu_fp32" in str(error.value) and "\n" not in str(error.value)


def test_a_gpu_that_the_policy_forbids_is_not_told_as_the_device(
    gpu: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config" / "gpu_policy.toml").write_text('[forbidden]\nnames = ["a large*"]\n')
    monkeypatch.setenv("AUDIO_DEVICE", "cuda")
    assert config()["device"] == "cpu" and "a large one" in config()["device_reason"]


def test_the_command_of_the_documentation_prints_the_configuration() -> None:
    code = "from services.audio_service import AudioService; print(AudioService().get_config())"
    command = [sys.executable, "-S", "-c", code]  # without the libraries of any environment
    ended = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert ast.literal_eval(ended.stdout)["profile"] == "gpu_fp32"


def test_the_doctor_tells_which_engine_the_token_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (_token().verdict, _token().text.endswith("STEP4 uses its embedded engine")) == ("note", True)
    monkeypatch.setenv("PYANNOTE_TOKEN", "hf_secret")
    assert _token().text == "PYANNOTE_TOKEN is set: STEP4 uses pyannote's models"
    monkeypatch.setenv("AUDIO_ENGINE", "embedded")
    assert _token().text == "PYANNOTE_TOKEN is set: STEP4 uses its embedded engine"
    monkeypatch.setenv("AUDIO_ENGINE", "good")
    assert _token().verdict == "problem" and "AUDIO_ENGINE" in _token().text
