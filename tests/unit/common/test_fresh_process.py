"""What a fresh process is told, and its certain end."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from workflow_scripts.common import fresh_process
from workflow_scripts.common.devices import Rung
from workflow_scripts.common.errors import CancelledError
from workflow_scripts.common.fresh_process import FreshProcesses, HandedOn, handed_on, in_fresh_process
from workflow_scripts.common.manifest import Fallback

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
path = Path(sys.argv[1])
path.with_suffix(".told").write_text("\\n".join([os.environ["WORKFLOW_FRESH_PROCESS"], *sys.argv[2:]]))
what = path.read_text()
if what == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
path.with_suffix(".begun").touch()
if what in ("wait", "deaf"):
    time.sleep(60)
sys.exit(int(what))
"""


@pytest.fixture
def item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An item whose text says how its process ends; the script of this run obeys it."""
    (tmp_path / "script.py").write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "script.py"), "ignored"])
    return tmp_path / "item.txt"


@pytest.mark.parametrize(
    "told",
    [
        HandedOn(),
        HandedOn(Rung("cpu", 8, torchscript=True), (Fallback("cuda", "cpu", "é \udcff"),), log="/x/é.log"),
        HandedOn(threads=3),
    ],
)
def test_what_is_handed_on_arrives(told: HandedOn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert handed_on() is None and not in_fresh_process()
    monkeypatch.setenv(fresh_process.FRESH_VARIABLE, told.to_json())
    assert handed_on() == told and in_fresh_process()


def test_the_script_is_run_for_the_item_with_the_same_options_and_the_same_log(item: Path) -> None:
    item.write_text("7")
    assert FreshProcesses(["--suffix=?"], "the.log").run(item, HandedOn(threads=2)) == 7
    told, *options = item.with_suffix(".told").read_text().splitlines()
    assert HandedOn.from_json(told) == HandedOn(threads=2, log="the.log")
    assert options == ["--suffix=?", "--force"]


def test_a_process_that_was_asked_to_stop_stops_the_run(item: Path) -> None:
    item.write_text("130")
    with pytest.raises(CancelledError):
        FreshProcesses().run(item, HandedOn())


@pytest.mark.parametrize("how", ["wait", "deaf"])
def test_ending_ends_what_runs_and_starts_nothing_more(
    item: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fresh_process, "GRACE_S", 0.5)
    item.write_text(how)
    processes, cancelled = FreshProcesses(), []

    def run() -> None:
        try:
            processes.run(item, HandedOn())
        except CancelledError as error:
            cancelled.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    for _ in range(1000):
        if item.with_suffix(".begun").exists():
            break
        time.sleep(0.02)
    processes.end()
    thread.join(30)
    assert not thread.is_alive() and len(cancelled) == 1
    item.with_suffix(".begun").unlink()
    run()
    assert len(cancelled) == 2 and not item.with_suffix(".begun").exists()
