"""`scripts/workflow gpu`: the inventory against the policy, and what the GPUs are doing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import gpu as command
from cli.workflow import main
from services.gpu_trial import Trial
from workflow_scripts.common.gpu_lock import hold_gpu
from workflow_scripts.common.paths import ROOT

SEED = Path(__file__).parents[1] / "debug" / "gpu_audit_cases" / "policy.toml"
SMI = """#!/bin/sh
echo '0, NVIDIA GeForce RTX 5060 Ti, GPU-5060aaaa, 00000000:00:00.0, 16384, [N/A]'
[ -n "$ONLY_THE_SMALL_ONE" ] || echo '1, NVIDIA GeForce RTX 3090, GPU-3090bbbb, 00000000:01:00.0, 24576, [N/A]'
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose policy allows one of the two GPUs that nvidia-smi tells; the trial passes."""
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    config = tmp_path / "config"
    config.mkdir()
    shutil.copy(ROOT / "config" / "workflow.toml", config)
    shutil.copy(SEED, config / "gpu_policy.toml")
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(config))
    monkeypatch.setattr(command, "try_gpu", lambda gpu: Trial("passed", f"on {gpu.key}"))
    return tmp_path


def invoke(*words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(main, ["gpu", *words])


@pytest.mark.usefixtures("folder")
def test_check_holds_every_gpu_against_the_policy() -> None:
    result = invoke("check")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    (small,) = (line for line in lines if "RTX 5060 Ti" in line and line.startswith("no "))
    assert "forbidden by its name" in small
    assert any(line.startswith("may be used") and "RTX 3090 (24 GB, bus 0000:01:00.0" in line for line in lines)
    assert {line.split()[0] for line in lines if line.startswith("STEP")} >= {"STEP1", "STEP3", "STEP4"}
    assert lines[-1] == "Trial passed: on GPU-3090bbbb"


@pytest.mark.usefixtures("folder")
def test_check_as_json() -> None:
    data = json.loads(invoke("check", "--json").output)
    assert (data["state"], data["chosen"]) == ("granted", "GPU-3090bbbb")
    assert {gpu["uuid"]: gpu["allowed"] for gpu in data["gpus"]} == {"GPU-5060aaaa": False, "GPU-3090bbbb": True}
    assert data["trial"]["verdict"] == "passed" and data["policy"]["none_allowed"] == "refuse"


def test_exit_statuses_of_check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "try_gpu", lambda _gpu: Trial("failed", "It leaves something behind."))
    assert invoke("check").exit_code == 1
    monkeypatch.setenv("ONLY_THE_SMALL_ONE", "1")
    refused = invoke("check")
    assert refused.exit_code == 3 and "REFUSED" in refused.output and "Trial not tried" in refused.output
    policy = folder / "config" / "gpu_policy.toml"
    policy.write_text(policy.read_text().replace('"refuse"', '"cpu"'))
    assert invoke("check").exit_code == 0
    policy.write_text("[allowed]\nname = []")
    broken = invoke("check")
    assert broken.exit_code == 2 and "[allowed] has no name. Did you mean names?" in broken.output


@pytest.mark.usefixtures("folder")
def test_watch_shows_each_gpu_and_who_holds_it() -> None:
    with hold_gpu("GPU-3090bbbb", "STEP3"):
        result = invoke("watch", "--once")
        data = json.loads(invoke("watch", "--once", "--json").output)
    assert result.exit_code == 0
    assert f"STEP3 of process {os.getpid()}" in result.output and "nobody" in result.output
    small, large = data["gpus"]
    assert (small["allowed"], small["holder"]) == (False, None)
    assert (large["allowed"], large["holder"]["what"]) == (True, "STEP3")


def test_watch_goes_on_until_it_is_interrupted(folder: Path) -> None:
    words = [sys.executable, "-m", "cli.workflow", "gpu", "watch", "--json", "--interval", "0.2"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert all(len(json.loads(line)["gpus"]) == 2 for line in lines)
    assert process.returncode == 130 and "Traceback" not in error


def test_a_machine_without_gpus_is_told_so(folder: Path) -> None:
    (folder / "nvidia-smi").write_text("#!/bin/sh\necho No devices were found\nexit 6\n")
    (folder / "config" / "gpu_policy.toml").unlink()
    for word in ("check", "watch"):
        result = invoke(word, *(["--once"] if word == "watch" else []))
        assert result.exit_code == 0 and "There is no NVIDIA GPU here." in result.output
