"""A person in front of the dashboard: the real application with a real worker, and the system's Chromium."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.names import key_of
from workflow_scripts.common.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

#: Seconds until the application answers, on a machine with much else to do.
_PATIENCE_S = 60
#: Milliseconds that the browser waits for what a test expects.
_BROWSER_MS = 15_000


def chromium() -> str:
    """The browser to test with; without one the test is skipped, but in CI it fails."""
    found = os.environ.get("WORKFLOW_TEST_BROWSER") or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if found is None and os.environ.get("CI"):
        pytest.fail("there is no Chromium to test the pages with")
    if found is None:
        pytest.skip("there is no Chromium")
    return found


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Dashboard:
    """The application as its own process; `complaints` is what the browser's console said that it should not.

    It does not see the speech model that comes with audio_env, so that runs of all steps leave STEP4B out.
    """

    data: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    complaints: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, **settings: str) -> None:
        """Start it, and wait until it answers."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WORKFLOW_", "OUTPUT_"))}
        places = {"WORKFLOW_DATA_DIR": str(self.data), "WORKFLOW_EMBEDDED_MODELS": str(self.data / "no models")}
        own = {**places, "WORKFLOW_WEB_PORT": str(self.port), **settings}
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "app.out").open("ab") as out:
            command = [sys.executable, str(ROOT / "app.py")]
            self.process = subprocess.Popen(command, env=kept | own, stdout=out, stderr=out)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"{self.address}/health", timeout=5):
                return
            time.sleep(0.1)
        pytest.fail((self.data / "app.out").read_text(errors="replace"))

    def ask(self, path: str, body: object = None) -> Any:
        """What the API answers; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def run(self, sequence: str, *projects: str, ended: bool = True) -> int:
        """Ask for a run on projects by name, and wait until it is over; its number."""
        asked = self.ask("/api/runs", {"sequence": sequence, "projects": list(map(key_of, projects))})
        if ended:
            self.ended(asked["id"])
        return int(asked["id"])

    def ended(self, run: int) -> dict[str, Any]:
        """Wait until a run is over."""
        deadline = time.monotonic() + 2 * _PATIENCE_S
        while (found := self.ask(f"/api/runs/{run}"))["finished"] is None and time.monotonic() < deadline:
            time.sleep(0.1)
        assert found["finished"] is not None
        return dict(found)

    def put(self, project: str, videos: Mapping[str, Path]) -> None:
        """Make a project of copies of files, by the names that they are to have there."""
        docs = self.data / "projets_extraits" / project / "docs"
        docs.mkdir(parents=True, exist_ok=True)
        for name, source in videos.items():
            shutil.copy(source, docs / name)

    def stop(self) -> None:
        """End the web process; the worker goes on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def page(self, browser: Browser, **options: object) -> Page:
        """A page of a browser of its own, 1280x720 unless told; what its console complains of is kept."""
        wanted: dict[str, Any] = {"viewport": {"width": 1280, "height": 720}, "base_url": self.address, **options}
        page = browser.new_context(**wanted).new_page()
        page.set_default_timeout(_BROWSER_MS)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _note(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(f"{said.text} {said.location['url']}")


@contextmanager
def running_dashboard(data: Path, **settings: str) -> Iterator[Dashboard]:
    """The application with a worker in a data folder; both are ended."""
    dashboard = Dashboard(data, free_port())
    try:
        dashboard.start(**settings)
        yield dashboard
    finally:
        dashboard.stop()
        end_worker(data)


def end_worker(data: Path) -> None:
    """End the worker of a data folder, and what it runs."""
    command = [str(ROOT / "scripts" / "workflow"), "worker", "stop"]
    subprocess.run(command, env={**os.environ, "WORKFLOW_DATA_DIR": str(data)}, capture_output=True, check=False)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium for all tests of pages."""
    with opened_browser() as found:
        yield found


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """The application with a worker, in a data folder of the module's own."""
    with running_dashboard(tmp_path_factory.mktemp("dashboard")) as found:
        yield found


@pytest.fixture(scope="session")
def make_dashboard() -> Callable[..., AbstractContextManager[Dashboard]]:
    """`make_dashboard(data, WORKFLOW_…=…)`: the application with settings of a test's own."""
    return running_dashboard


@dataclass(frozen=True)
class Clips:
    """Videos to work on: `still` needs no conversion, `moving` shows a face and needs one, `garbage` is none."""

    still: Path
    moving: Path
    garbage: Path
    folder: Path

    def lasting(self, seconds: int) -> Path:
        """A video of noise at 30 frames a second: quickly made, slowly converted (7 times as fast as it plays)."""
        path = self.folder / f"noise {seconds}.mp4"
        if not path.exists():
            write_noise(path, seconds)
        return path


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """The videos that the tests of pages work on; the longest of those that end has two seconds."""
    from services.sample import SampleShot, SampleVideo, render

    folder = tmp_path_factory.mktemp("clips")
    found = Clips(folder / "still.mp4", folder / "moving.mkv", folder / "garbage.mp4", folder)
    render(SampleVideo("still", Fraction(25), (SampleShot(25, "discs"),), None), found.still)
    shots = (SampleShot(30, "face close"), SampleShot(30, "hills"))
    render(SampleVideo("moving", Fraction(30), shots, None), found.moving)
    found.garbage.write_bytes(bytes(range(256)) * 40)
    return found


def write_noise(path: Path, seconds: int, fps: int = 30) -> None:
    """Encode a second of noise, 320x180, and repeat its packets."""
    import av
    import numpy as np

    generator = np.random.default_rng(1)
    with av.open(f"file:{path}", "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"crf": "36", "preset": "ultrafast", "g": str(fps), "tune": "zerolatency"}
        noise = generator.integers(0, 256, (fps, 180, 320, 3), np.uint8)
        packets = [one for picture in noise for one in stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24"))]
        packets += stream.encode(None)
        for number in range(seconds * fps):
            packet = av.Packet(bytes(packets[number % fps]))
            packet.stream, packet.time_base, packet.duration = stream, Fraction(1, fps), 1
            packet.pts = packet.dts = number
            packet.is_keyframe = number % fps == 0
            container.mux(packet)


@dataclass(frozen=True)
class World:
    """A dashboard with work that is over: a project with a video that failed, and one where all went well."""

    dashboard: Dashboard
    troubled: str
    good: str
    failed_run: int
    good_run: int


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, clips: Clips) -> Iterator[World]:
    """Two projects, converted; the names of one are as people and attackers give them. Tests only look at them."""
    troubled, good = "Ciné-club “50 %” — l'été & <b>  ", "plain"
    with running_dashboard(tmp_path_factory.mktemp("world")) as dashboard:
        videos = {"été 100%  .mkv": clips.moving, 'it\'s "it".mp4': clips.still, "garbage.mp4": clips.garbage}
        dashboard.put(troubled, videos)
        dashboard.put(good, {"a.mp4": clips.still})
        yield World(dashboard, troubled, good, dashboard.run("2", troubled), dashboard.run("2", good))


@pytest.fixture
def page(browser: Browser, dashboard: Dashboard) -> Iterator[Page]:
    """A page of a browser of its own; the test fails when its console complains."""
    dashboard.complaints.clear()
    found = dashboard.page(browser)
    yield found
    found.context.close()
    assert not dashboard.complaints


#: Drops files on the page as a hand does.
_DROP = """(files) => {
    const transfer = new DataTransfer();
    for (const [name, data] of files) {
        transfer.items.add(new File([Uint8Array.from(atob(data), (char) => char.charCodeAt(0))], name));
    }
    for (const kind of ["dragenter", "dragover", "drop"]) {
        const way = { dataTransfer: transfer, bubbles: true, cancelable: true };
        document.body.dispatchEvent(new DragEvent(kind, way));
    }
}"""
Drop = Callable[..., None]


@pytest.fixture(scope="session")
def drop() -> Drop:
    """`drop(page, (name, content), …)`: drop files on a page."""

    def on(page: Page, *files: tuple[str, bytes]) -> None:
        page.evaluate(_DROP, [[name, base64.b64encode(data).decode()] for name, data in files])

    return on


Violations = Callable[["Page"], list[str]]


@pytest.fixture
def violations() -> Violations:
    """`violations(page)`: what axe-core finds that keeps people from using the page, a line each."""
    from axe_playwright_python.sync_playwright import Axe

    def find(page: Page) -> list[str]:
        found = Axe().run(page).response["violations"]
        return [f"{one['id']}: {node['target']} {node['html'][:120]}" for one in found for node in one["nodes"]]

    return find
