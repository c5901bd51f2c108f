"""scripts/setup finds a Python that works, and says how to get one when there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COMPLETE = '#!/bin/sh\ncase "$1" in -I) echo {version};; *) echo "started $0 $*";; esac\n'


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine without any Python: a PATH with nothing but what the script itself calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in ("dirname", "uname"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    return folder


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def setup(machine: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(machine), "HOME": str(machine), "WORKFLOW_PYTHON_DIRS": "", **variables}
    command = ["/bin/bash", str(ROOT / "scripts" / "setup"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_shim_of_a_version_that_is_not_there_is_passed_over(machine: Path) -> None:
    put(machine / "python3.11", "#!/bin/sh\nexit 127\n")
    good = put(machine / "python3.12", COMPLETE.format(version="3.12"))
    done = setup(machine, "--check")
    assert done.stdout == f"started {good} -m services.environments --check\n"


def test_a_name_is_not_believed(machine: Path) -> None:
    put(machine / "python3.11", COMPLETE.format(version="3.9"))
    good = put(machine / "python3", COMPLETE.format(version="3.11"))
    assert setup(machine).stdout == f"started {good} -m services.environments\n"


def test_3_11_is_preferred_to_3_12(machine: Path) -> None:
    put(machine / "python3.12", COMPLETE.format(version="3.12"))
    good = put(machine / "python", COMPLETE.format(version="3.11"))
    assert setup(machine).stdout.startswith(f"started {good} ")


def test_interpreters_beside_the_path_are_found(machine: Path, tmp_path: Path) -> None:
    good = put(tmp_path / "a b" / "python3.12", COMPLETE.format(version="3.12"))
    assert setup(machine, WORKFLOW_PYTHON_DIRS=f"/nowhere:{good.parent}").stdout.startswith(f"started {good} ")


def test_versions_of_pyenv_are_found(machine: Path) -> None:
    good = put(machine / ".pyenv" / "versions" / "3.11.4" / "bin" / "python3.11", COMPLETE.format(version="3.11"))
    environment = {"PATH": str(machine), "HOME": str(machine)}
    script = (
        (ROOT / "scripts" / "setup")
        .read_text()
        .replace("/usr/local/bin:/opt/homebrew/bin:/opt/local/bin:/usr/bin", "/x")
    )
    copy = put(machine / "repository" / "scripts" / "setup", script)
    done = subprocess.run(["/bin/bash", str(copy)], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"started {good} ")


def test_without_a_python_it_says_how_to_get_one(machine: Path) -> None:
    done = setup(machine)
    assert done.returncode == 3
    for way in ("apt install python3.11", "brew install python@3.11", "python.org", "WORKFLOW_PYTHON="):
        assert way in done.stderr


def test_a_python_without_venv_is_named(machine: Path) -> None:
    broken = put(machine / "python3.11", COMPLETE.format(version="3.11 lacks ensurepip"))
    done = setup(machine)
    assert done.returncode == 3
    assert f"{broken} (Python 3.11 without its module ensurepip)" in done.stderr


def test_the_override_is_used_and_checked(machine: Path, tmp_path: Path) -> None:
    put(machine / "python3.11", COMPLETE.format(version="3.11"))
    chosen = put(tmp_path / "mine", COMPLETE.format(version="3.12"))
    assert setup(machine, WORKFLOW_PYTHON=str(chosen)).stdout.startswith(f"started {chosen} ")
    refused = setup(machine, WORKFLOW_PYTHON=str(tmp_path / "absent"))
    assert refused.returncode == 3
    assert "absent" in refused.stderr


def test_the_real_script_answers_within_a_second() -> None:
    setup_script = str(ROOT / "scripts" / "setup")
    times = []
    for _ in range(3):
        start = time.monotonic()
        done = subprocess.run(
            [setup_script, "--check"], env=os.environ, capture_output=True, text=True, check=False
        )
        times.append(time.monotonic() - start)
        assert done.returncode in (0, 3), done.stderr
    assert min(times) < 1
