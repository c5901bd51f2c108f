"""Which process is which; trees stopped, continued and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from services.supervision.processes import (
    ProcessIdentity,
    ProcessTree,
    boot_id,
    end_tree,
    identity_of,
    is_alive,
    is_stopped,
    marked,
    pause_tree,
    resume_tree,
    send,
    tree,
)

MARK = "WORKFLOW_STEP_RUN"
#: Three children, of which one ignores TERM and one has a child in a session of its own; each counts in a file.
FAMILY = """
import os, signal, sys, time
from pathlib import Path
folder = Path(sys.argv[1])

def count(name):
    (folder / f"{name}.pid").write_text(str(os.getpid()))
    while True:
        with (folder / name).open("a") as stream:
            stream.write(".")
        time.sleep(0.01)

for name in ("child", "deaf", "parent"):
    if os.fork() == 0:
        if name == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if name == "parent" and os.fork() == 0:
            os.setsid()
            count("grandchild")
        count(name)
count("root")
"""
NAMES = ("root", "child", "deaf", "parent", "grandchild")


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until something is so."""
    limit = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[ProcessTree]:
    """A running family; whatever becomes of it, nobody of it outlives the test."""
    environment = {**os.environ, MARK: str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", FAMILY, str(tmp_path)], env=environment)
    root = identity_of(process.pid)
    assert root is not None
    wait_for(lambda: all((tmp_path / name).exists() for name in NAMES))
    yield ProcessTree(root, MARK, str(tmp_path))
    for one in marked(MARK, str(tmp_path)):
        send(one, signal.SIGKILL)
    process.wait()


def pids(folder: Path) -> dict[str, int]:
    return {name: int((folder / f"{name}.pid").read_text()) for name in NAMES}


def sizes(folder: Path) -> list[int]:
    return [(folder / name).stat().st_size for name in NAMES]


def test_an_identity_goes_through_a_file_and_is_still_the_same() -> None:
    me = identity_of(os.getpid())
    assert me is not None and me.boot_id == boot_id()
    assert ProcessIdentity.from_json(me.to_json()) == me and is_alive(me)


def test_a_reused_number_is_another_process_and_is_never_sent_anything() -> None:
    process = subprocess.Popen(["sleep", "60"])
    now = identity_of(process.pid)
    assert now is not None
    for other in (replace(now, create_time=now.create_time - 1), replace(now, boot_id="another boot")):
        assert not is_alive(other) and tree(other) == []
        assert not send(other, signal.SIGKILL)
        assert end_tree(partial(tree, other), 0.0) == []
    assert process.poll() is None
    assert send(now, signal.SIGKILL) and process.wait() == -signal.SIGKILL


def test_a_process_of_which_only_the_status_is_left_is_gone() -> None:
    process = subprocess.Popen(["true"])
    wait_for(lambda: identity_of(process.pid) is None)  # not waited for: its number is still taken
    assert process.wait() == 0


def test_a_tree_holds_grandchildren_in_other_sessions_parents_first(family: ProcessTree, tmp_path: Path) -> None:
    found = [one.pid for one in tree(family.root)]
    expected = pids(tmp_path)
    assert sorted(found) == sorted(expected.values())
    assert found[0] == expected["root"]
    assert found.index(expected["parent"]) < found.index(expected["grandchild"])


def test_ending_a_tree_leaves_nobody_and_tells_who_had_to_be_killed(family: ProcessTree, tmp_path: Path) -> None:
    everybody = family.look()
    killed = end_tree(family.look, patience=0.5)
    assert [one.pid for one in killed] == [pids(tmp_path)["deaf"]]
    assert len(everybody) == 5 and not any(is_alive(one) for one in everybody)


def test_what_lived_is_remembered_after_its_parent_was_killed(family: ProcessTree, tmp_path: Path) -> None:
    family.look()
    send(family.root, signal.SIGKILL)
    wait_for(lambda: not is_alive(family.root))
    assert tree(family.root) == []
    assert {one.pid for one in family.look()} == set(pids(tmp_path).values()) - {family.root.pid}


def test_orphans_that_nobody_has_seen_are_found_by_what_their_environment_says(
    family: ProcessTree, tmp_path: Path
) -> None:
    send(family.root, signal.SIGKILL)
    wait_for(lambda: not is_alive(family.root))
    after_restart = ProcessTree(family.root, MARK, str(tmp_path))
    assert after_restart.look() == []
    assert {one.pid for one in after_restart.look_everywhere()} == set(pids(tmp_path).values()) - {family.root.pid}
    end_tree(after_restart.look, patience=0.1)
    assert marked(MARK, str(tmp_path)) == []


def test_a_paused_tree_does_nothing_until_it_is_resumed(family: ProcessTree, tmp_path: Path) -> None:
    assert len(pause_tree(family.look)) == 5
    wait_for(lambda: all(is_stopped(one) for one in family.look()))
    before = sizes(tmp_path)
    time.sleep(0.2)
    assert sizes(tmp_path) == before
    assert len(resume_tree(family.look)) == 5
    wait_for(lambda: all(after > size for after, size in zip(sizes(tmp_path), before, strict=True)))


def test_a_paused_tree_can_be_ended(family: ProcessTree, tmp_path: Path) -> None:
    pause_tree(family.look)
    assert [one.pid for one in end_tree(family.look, patience=0.5)] == [pids(tmp_path)["deaf"]]
    assert family.look() == []
