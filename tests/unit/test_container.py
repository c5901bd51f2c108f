"""What the image is made of and how it is run, as far as that can be told without a container engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import psutil
import pytest

from app import close_app, create_app, make_server
from services.configuration import GENERAL
from services.environments.spec import load
from services.environments.torch_build import SETTINGS
from services.supervision.processes import is_alive
from services.supervision.step_command import Command, step_environment
from services.supervision.step_handle import Alive, Handle
from services.supervision.step_outcomes import Ended
from services.supervision.supervisor import Supervisor
from services.web.settings import WebSettings
from services.worker import stop_worker
from services.worker_lock import WorkerLock, holder, lost_holder
from workflow_scripts.common.paths import ROOT

yaml = pytest.importorskip("yaml")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="a container has Linux's /proc")

#: What lies in the repository and no container needs.
NOT_NEEDED = {
    *(".ci", ".dockerignore", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "README.md"),
    *("benchmarks", "compose.gpu.yaml", "compose.yaml", "docs", "tests"),
}
#: What may lie there and must not get into an image.
PRIVATE = (
    *(".env", ".git/config", "audio_env/bin/python", "bench_env/bin/python", "demo/workflow.db", "env/bin/python"),
    *(
        "inbox/show.zip",
        "logs/app.log",
        "models/whisper/base/model.bin",
        "output/Show/docs/a.csv",
        "profiling/a.csv",
    ),
    *("projets_extraits/Show/docs/a.mp4", "transnet_env/bin/python", "workflow.db", "workflow.db-wal", "film.mp4"),
    *("config/.env", "debug/a.log", "services/__pycache__/asking.cpython-311.pyc", "id_ed25519"),
)
DEADLINE_S = 60.0


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: the word and the rest, on one line each."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def copied(until: str = "") -> list[tuple[list[str], str]]:
    """Sources and target of every COPY, up to the first instruction that holds a text."""
    found = []
    for word, rest in instructions():
        if until and until in rest and word == "RUN":
            break
        if word == "COPY":
            *sources, target = rest.split()
            found.append((sources, target))
    return found


def is_sent(path: str) -> bool:
    """Whether .dockerignore lets a file into the image."""
    sent = True
    parts = path.split("/")
    ancestors = ["/".join(parts[: n + 1]) for n in range(len(parts))]
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if not line or line.startswith("#"):
            continue
        anywhere = pattern.startswith("**/")
        names = parts if anywhere else ancestors
        assert "/" not in pattern.removeprefix("**/"), "what follows knows no other patterns"
        if any(fnmatch(name, pattern.removeprefix("**/")) and (anywhere or "/" not in name) for name in names):
            sent = line.startswith("!")
    return sent


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    """The one service of a compose file."""
    (service,) = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["services"].values()
    return dict(service)


def variables() -> dict[str, str]:
    """The environment that the image gives its processes."""
    rest = " ".join(rest for word, rest in instructions() if word == "ENV")
    return dict(re.findall(r"(\w+)=(\S+)", rest))


def tracked() -> list[str]:
    """The files of the repository."""
    if not (ROOT / ".git").exists():
        pytest.skip("only a checkout tells what belongs to it")
    told = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [os.fsdecode(name) for name in told.stdout.split(b"\0") if name]


def test_everything_that_is_copied_is_there_and_is_sent() -> None:
    sources = [source for sources, _ in copied() for source in sources if source != "."]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert is_sent(source)


def test_no_data_no_environment_and_no_secret_gets_into_the_image() -> None:
    assert [path for path in PRIVATE if is_sent(path)] == []


def test_every_part_of_the_product_is_in_the_image() -> None:
    parts = {name.split("/")[0] for name in tracked()}
    assert sorted(part for part in parts if not is_sent(part)) == sorted(NOT_NEEDED & parts)
    left_out = [name for name in tracked() if name.split("/")[0] not in NOT_NEEDED and not is_sent(name)]
    assert left_out == []


def test_what_is_copied_before_the_environments_is_all_that_setup_needs(tmp_path: Path) -> None:
    for sources, target in copied(until="scripts/setup transnet_env"):
        for source in sources:
            to = tmp_path / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, to, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, to)
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "WORKFLOW_PYTHON": sys.executable}
    command = [str(tmp_path / "scripts" / "setup"), "--check"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (3, "")
    assert [line.split() for line in done.stdout.splitlines()[:-1]] == [
        [environment.name, "missing"] for environment in load(ROOT).required
    ]


def test_each_environment_is_a_layer_that_only_its_own_lock_precedes() -> None:
    orders = [rest for word, rest in instructions() if word == "RUN"]
    made = [match[1] for rest in orders if (match := re.search(r"setup (\w+)", rest))]
    assert sorted(made) == sorted(environment.name for environment in load(ROOT).required)
    for number, name in enumerate(made):
        there = {source for sources, _ in copied(until=f"scripts/setup {name} ") for source in sources}
        locks = {Path(source).stem for source in there if source.endswith(".txt")}
        assert locks == set(made[: number + 1])


def test_python_and_the_builds_of_torch_are_those_that_setup_knows() -> None:
    arguments = dict(rest.split("=") for word, rest in instructions() if word == "ARG")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest, beyond = re.findall(r"\d+\.(\d+)", project["requires-python"])
    assert int(lowest) <= int(arguments["PYTHON"].removeprefix("3.")) < int(beyond)
    chosen = {compose(name)["build"]["args"]["TORCH"] for name in ("compose.yaml", "compose.gpu.yaml")}
    assert arguments["TORCH"] in chosen == {"cpu", "cuda"} <= set(SETTINGS)


def test_nothing_runs_as_root() -> None:
    assert [rest for word, rest in instructions() if word == "USER"] == ["1000:1000"]
    assert not compose()["user"].removeprefix("${CONTAINER_USER:-").startswith("0")


def test_the_image_listens_where_a_token_is_required() -> None:
    host = variables()["WORKFLOW_WEB_HOST"]
    with pytest.raises(Exception, match="without a token"):
        WebSettings(host=host)
    assert compose()["environment"]["WORKFLOW_WEB_TOKEN"].startswith("${WORKFLOW_WEB_TOKEN:?")
    assert "WORKFLOW_WEB_TOKEN" not in variables()


def test_only_this_machine_reaches_the_published_port() -> None:
    inside = variables()["WORKFLOW_WEB_PORT"]
    assert compose()["ports"] == [f"127.0.0.1:${{PUBLISHED_PORT:-8000}}:{inside}"]
    assert "ports" not in compose("compose.gpu.yaml")


def test_what_is_written_is_in_volumes_and_the_rest_can_only_be_read() -> None:
    service = compose()
    targets = [volume.rpartition(":")[2] for volume in service["volumes"]]
    assert targets == ["/data", "/data/projets_extraits", "/data/models"]
    assert service["read_only"] is True and service["tmpfs"] == ["/tmp"]
    written = {name: value for name, value in variables().items() if name.endswith(("_DIR", "_HOME", "HOME"))}
    assert written and all(value.startswith(("/data", "/tmp")) for value in written.values())
    (made,) = (rest for word, rest in instructions() if word == "RUN" and "install --directory" in rest)
    assert set(targets) <= set(made.split())


def test_every_setting_that_is_named_exists() -> None:
    known = {parameter.env for parameter in GENERAL}
    given = {*variables(), *compose()["environment"], *compose("compose.gpu.yaml")["environment"]}
    assert {name for name in given if name.startswith("WORKFLOW_")} <= known


def test_every_variable_of_the_compose_files_and_argument_of_the_image_is_documented() -> None:
    text = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    files = [(ROOT / name).read_text(encoding="utf-8") for name in ("compose.yaml", "compose.gpu.yaml")]
    names = {name for file in files for name in re.findall(r"\$\{(\w+)", file)}
    names |= {rest.partition("=")[0] for word, rest in instructions() if word == "ARG"}
    assert {name for name in names if f"| `{name}` |" not in text} == set()


def healthy(port: int, **more: str) -> bool:
    """What the image's health check says of a port of this machine."""
    (rest,) = (rest for word, rest in instructions() if word == "HEALTHCHECK")
    python, *words = json.loads(rest[rest.index("CMD ") + 4 :])
    assert python == "/app/env/bin/python"
    environment = {"WORKFLOW_WEB_PORT": str(port), **more}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, check=False, timeout=30)
    return done.returncode == 0


@pytest.fixture
def port() -> Iterator[int]:
    """The port of an app that listens."""
    settings = WebSettings(port=0, token="0123456789abcdef")
    app = create_app(settings)
    server = make_server(app, settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield server.effective_port
    close_app(app)
    server.trigger.pull_trigger(server.close)
    thread.join(20)
    server.task_dispatcher.shutdown()


def test_healthy_is_who_answers_and_has_a_worker(port: int) -> None:
    assert not healthy(port)
    with WorkerLock() as lock:
        assert lock.take("worker")
        assert healthy(port)
        assert healthy(port, HTTP_PROXY="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    assert not healthy(free_port())


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Container:
    """What the image starts, on this machine."""

    def __init__(self, config: Path) -> None:
        self.port = free_port()
        variables = {"WORKFLOW_WEB_PORT": str(self.port), "WORKFLOW_CONFIG_DIR": str(config)}
        self.process = subprocess.Popen(
            [ROOT / "scripts" / "container"], env={**os.environ, **variables}, stderr=subprocess.DEVNULL
        )

    def wait_until_healthy(self) -> None:
        """Return when it is."""
        limit = time.monotonic() + DEADLINE_S
        while not healthy(self.port):
            assert self.process.poll() is None and time.monotonic() < limit

    def stop(self) -> int:
        """Stop it as an engine does; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    """One that was just started, with an empty folder for its configuration."""
    others = set(psutil.Process().children(recursive=True))
    container = Container(tmp_path / "config")
    yield container
    stop_worker()
    for process in set(psutil.Process().children(recursive=True)) - others:
        process.kill()
    container.process.wait()


def step_in(data: Path) -> Handle:
    """A step of a data folder that would run for a minute."""
    command = Command([sys.executable, "-c", "import time; time.sleep(60)"], step_environment())
    return Supervisor().start(command, data / "logs" / "runs" / "1" / "1.1")


@on_linux
def test_a_stopped_container_leaves_no_worker_and_none_that_was_killed(container: Container) -> None:
    container.wait_until_healthy()
    found = holder()
    assert found is not None and found.is_worker
    assert container.stop() == 0
    assert holder() is None and lost_holder() is None
    assert not is_alive(found.identity)


@on_linux
def test_a_stopped_container_ends_its_steps_and_no_others(
    container: Container, data_folder: Path, tmp_path: Path
) -> None:
    container.wait_until_healthy()
    ours, other = step_in(data_folder), step_in(tmp_path / "elsewhere")
    try:
        container.stop()
        ended = ours.poll()
        assert isinstance(ended, Ended) and ended.stopped == "signal"
        assert isinstance(other.poll(), Alive)
    finally:
        other.cancel()
        while isinstance(other.poll(), Alive):
            time.sleep(0.05)


@on_linux
def test_a_new_container_keeps_the_parameters_and_has_its_own_graph(container: Container, tmp_path: Path) -> None:
    config = tmp_path / "config"
    container.wait_until_healthy()
    container.stop()
    assert {path.name for path in config.iterdir()} == {
        "workflow.toml",
        *(path.name for path in (ROOT / "config").glob("*.json")),
    }
    assert (config / "workflow.toml").resolve() == ROOT / "config" / "workflow.toml"
    changed = config / "step7_finalize.json"
    changed.write_text("{}")
    (config / "workflow.toml").unlink()
    (config / "workflow.toml").symlink_to("/gone/config/workflow.toml")
    again = Container(config)
    try:
        again.wait_until_healthy()
    finally:
        again.stop()
    assert changed.read_text() == "{}"
    assert (config / "workflow.toml").resolve() == ROOT / "config" / "workflow.toml"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment = {**os.environ, "WORKFLOW_CONFIG_DIR": str(tmp_path / "file" / "config")}
    done = subprocess.run(
        [ROOT / "scripts" / "container"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert f"{tmp_path / 'file' / 'config'} cannot be written to by user" in done.stderr
