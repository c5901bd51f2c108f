"""The worker's part: one after the other, each to its end, whoever is killed in between."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from services.pipeline import Pipeline, load_pipeline
from services.supervision.processes import ProcessIdentity, is_alive, send
from services.supervision.step_folder import read_object
from services.transcriptions import Facts, Shelf, Transcription, Wish
from services.transcriptions.queue import TRIES, Queue, commands
from workflow_scripts.common.errors import PreconditionError


def finished(shelf: Shelf, *keys: str) -> Any:
    """Whether all of them have ended."""
    return lambda: not any(shelf.find(key).active for key in keys)


def runs(shelf: Shelf, key: str) -> Any:
    """Whether one works and has told something."""
    return lambda: (one := shelf.find(key)).state == "running" and one.done > 0


def let_go(shelf: Shelf, key: str) -> None:
    """Let one that waits end."""
    shelf.sound(shelf.find(key)).with_name("go").touch()


def recorder(shelf: Shelf, key: str) -> ProcessIdentity:
    """Who leads the process of one that works."""
    told = read_object(shelf.process(shelf.find(key)).process) or {}
    return ProcessIdentity.from_json(told["recorder"])


def test_a_file_that_waits_is_transcribed_and_all_that_was_told_is_known(
    shelf: Shelf, put: Any, make_queue: Any, until: Any, told: list[Transcription]
) -> None:
    key = put("été.mp3")
    until(make_queue(), finished(shelf, key))
    one = shelf.find(key)
    assert (one.state, one.reason, one.done, one.duration, one.attempt) == ("succeeded", "", 3.0, 3.0, 1)
    assert one.warnings == ("the GPU failed; going on with cpu",)
    assert one.facts == Facts("fr", 0.9, 1, "base", "cpu", "int8", {"too fast": 2})
    assert one.seconds is not None and one.started is not None and one.finished is not None
    assert one.started <= one.finished
    assert shelf.result(one, "txt").read_text() == "done"
    assert (told[0].state, told[-1].state, told[-1].facts) == ("running", "succeeded", one.facts)


def test_one_after_the_other_in_the_order_they_came(
    shelf: Shelf, put: Any, make_queue: Any, until: Any, told: list[Transcription]
) -> None:
    keys = [put(f"{number}.mp3") for number in range(3)]
    until(make_queue(), finished(shelf, *keys))
    assert [one.key for one in told if one.state == "succeeded"] == sorted(keys)
    states = [(one.key, one.state) for one in told if one.state in ("running", "succeeded")]
    assert [key for key, _ in states] == sorted(key for key, _ in states)  # none began before the last had ended


def test_a_file_without_sound_fails_with_its_own_sentence_and_the_next_goes_on(
    shelf: Shelf, put: Any, make_queue: Any, until: Any
) -> None:
    bad, good = put("a.txt", "refuse"), put("b.mp3")
    until(make_queue(), finished(shelf, bad, good))
    one = shelf.find(bad)
    assert (one.state, one.reason, one.facts) == ("failed", "a.txt: there is no sound in it.", None)
    assert shelf.find(good).state == "succeeded"


def test_what_failed_halfway_does_not_touch_what_came_of_the_round_before(
    shelf: Shelf, put: Any, make_queue: Any, until: Any
) -> None:
    key, queue = put(), make_queue()
    until(queue, finished(shelf, key))
    shelf.sound(shelf.find(key)).write_text("half")
    shelf.again(key, Wish())
    until(queue, finished(shelf, key))
    one = shelf.find(key)
    assert (one.state, one.round) == ("failed", 2)
    assert shelf.result(one, "txt").read_text() == "done"


def test_a_process_that_is_killed_again_and_again_is_given_up_and_says_so(
    shelf: Shelf, put: Any, make_queue: Any, until: Any
) -> None:
    key = put(text="kill")
    until(make_queue(), finished(shelf, key))
    one = shelf.find(key)
    assert (one.state, one.attempt) == ("failed", TRIES)
    assert "signal 9" in one.reason


def test_the_next_worker_adopts_what_works_and_loses_nothing(
    shelf: Shelf, put: Any, make_queue: Any, until: Any, told: list[Transcription]
) -> None:
    key = put(text="wait")
    until(make_queue(), runs(shelf, key))
    process = recorder(shelf, key)
    other = make_queue()  # the first one is never asked again, as if it had been killed
    other.tick()
    assert other.running and is_alive(process)
    let_go(shelf, key)
    until(other, finished(shelf, key))
    one = shelf.find(key)
    assert (one.state, one.attempt, one.facts and one.facts.words) == ("succeeded", 1, 1)


def test_what_ended_while_no_worker_was_there_is_booked_by_the_next(
    shelf: Shelf, put: Any, make_queue: Any, until: Any
) -> None:
    key = put(text="wait")
    until(make_queue(), runs(shelf, key))
    process = recorder(shelf, key)
    let_go(shelf, key)
    while is_alive(process):
        pass
    other: Queue = make_queue()
    other.tick()
    other.tick()
    assert shelf.find(key).state == "succeeded" and not other.running


def test_what_went_down_with_the_machine_is_begun_anew(shelf: Shelf, put: Any, make_queue: Any, until: Any) -> None:
    key = put(text="wait")
    until(make_queue(), runs(shelf, key))
    send(recorder(shelf, key), signal.SIGKILL)
    let_go(shelf, key)
    until(make_queue(), finished(shelf, key))
    one = shelf.find(key)
    assert (one.state, one.attempt) == ("succeeded", 2)


def test_a_cancelled_one_ends_with_all_it_started_and_the_next_begins(
    shelf: Shelf, put: Any, make_queue: Any, until: Any
) -> None:
    key, other, queue = put(text="wait"), put(), make_queue()
    until(queue, runs(shelf, key))
    process = recorder(shelf, key)
    shelf.cancel(key)
    until(queue, finished(shelf, key, other))
    assert (shelf.find(key).state, shelf.find(other).state) == ("cancelled", "succeeded")
    assert not is_alive(process)


def test_one_that_was_cancelled_before_its_turn_is_never_begun(
    shelf: Shelf, put: Any, make_queue: Any, told: list[Transcription]
) -> None:
    key = put()
    shelf.cancel(key)
    queue = make_queue()
    queue.tick()
    assert not queue.running and told == [] and shelf.find(key).state == "cancelled"


def test_a_stopped_worker_ends_what_works_and_that_does_not_count_as_an_attempt(
    shelf: Shelf, put: Any, make_queue: Any, until: Any
) -> None:
    key = put(text="wait")
    for _ in range(TRIES + 1):
        queue = make_queue()
        until(queue, runs(shelf, key))
        queue.stop()
        assert (shelf.find(key).state, shelf.find(key).attempt) == ("queued", 0)
    let_go(shelf, key)
    until(make_queue(), finished(shelf, key))
    assert shelf.find(key).state == "succeeded"


def test_one_whose_folder_was_taken_away_is_ended_and_in_nobodys_way(
    shelf: Shelf, put: Any, make_queue: Any, until: Any, tmp_path: Path
) -> None:
    key, other, queue = put(text="wait"), put(), make_queue()
    until(queue, runs(shelf, key))
    process = recorder(shelf, key)
    (shelf.folder / key).rename(tmp_path / "taken away")
    until(queue, finished(shelf, other))
    assert not is_alive(process)


def test_a_process_that_cannot_be_started_is_a_failure_with_a_sentence(shelf: Shelf, put: Any) -> None:
    key = put()

    def missing(*_: Any) -> Any:
        raise PreconditionError("The environment audio_env is missing.", hint="Run scripts/setup audio_env.")

    queue = Queue(shelf, missing, lambda _one: None)
    queue.tick()
    one = shelf.find(key)
    assert (one.state, queue.running) == ("failed", False)
    assert one.reason == "The environment audio_env is missing. Run scripts/setup audio_env."


def test_the_command_is_that_of_the_shell_with_what_was_asked_for(
    shelf: Shelf, put: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPER_BEAM_SIZE", "1")
    monkeypatch.setenv("HF_TOKEN", "secret")
    one = shelf.find(put("-o.mp3", wish=Wish(model="small", language="fr")))
    definition = next(step for step in load_pipeline().steps if step.key == "STEP4B")
    command = commands(definition)(one, shelf.sound(one), tmp_path / "out")
    assert [Path(word).name for word in command.argv[:2]] == ["python", "transcribe_file.py"]
    assert command.argv[2:] == [
        "--model=small",
        "--language=fr",
        f"--output={tmp_path / 'out'}",
        "--",
        str(shelf.sound(one)),
    ]
    assert command.environment["WHISPER_BEAM_SIZE"] == "1" and "HF_TOKEN" not in command.environment
    assert command.environment["TMPDIR"] == str(tmp_path)  # where the sound is decoded to


def test_without_its_step_in_the_graph_nothing_is_transcribed(shelf: Shelf, put: Any, tmp_path: Path) -> None:
    one = shelf.find(put())
    definition = next((step for step in Pipeline(()).steps), None)
    with pytest.raises(PreconditionError, match="no step STEP4B"):
        commands(definition)(one, shelf.sound(one), tmp_path / "out")


def test_a_shelf_on_which_nothing_is_to_be_done_is_not_read_again_and_again(
    shelf: Shelf, put: Any, make_queue: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, queue = put(), make_queue()
    until(queue, finished(shelf, key))
    queue.tick()
    with monkeypatch.context() as patched:
        patched.delattr(Shelf, "all")  # whoever asks for all fails
        for _ in range(50):
            queue.tick()
    again = put()
    until(queue, finished(shelf, again))
    assert shelf.find(again).state == "succeeded"
