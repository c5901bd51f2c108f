"""The graph of steps: what can be chosen, what may start, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.pipeline import Pipeline, environments_of, load_pipeline
from workflow_scripts.common.errors import UsageError

KEYS = ["STEP1", "STEP2", "STEP3", "STEP4", "STEP4B", "STEP5", "STEP6", "STEP7"]

TABLE = """
[[step]]
key = "{key}"
number = "{number}"
title = "Title"
script = "workflow_scripts/step{number}/x.py"
environment = "env"
needs = [{needs}]
slot = "{slot}"
"""


def text(key: str, *needs: str, slot: str = "cpu") -> str:
    """A step's table."""
    quoted = ", ".join(f'"{need}"' for need in needs)
    return TABLE.format(key=key, number=key.removeprefix("STEP"), needs=quoted, slot=slot)


def load(folder: Path, content: str) -> Pipeline:
    """The graph in a text."""
    path = folder / "workflow.toml"
    path.write_text(content)
    return load_pipeline(path)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """The real graph."""
    return load_pipeline()


def test_the_real_graph_has_every_step_and_its_script(pipeline: Pipeline) -> None:
    assert [step.key for step in pipeline.steps] == KEYS
    assert all(step.path.is_file() for step in pipeline.steps)
    assert set(environments_of(pipeline.steps)) == {"env", "transnet_env", "audio_env"}


def test_sound_and_shots_are_analysed_side_by_side_and_faces_need_both(pipeline: Pipeline) -> None:
    assert pipeline["STEP3"].needs == pipeline["STEP4"].needs == ("STEP2",)
    assert pipeline.all_needs("STEP5") == {"STEP1", "STEP2", "STEP3", "STEP4"}


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (None, "12344B567"),
        ("", "12344B567"),
        ("3", "3"),
        ("STEP3", "3"),
        ("step3", "3"),
        ("3-5", "344B5"),
        ("STEP3-STEP5", "344B5"),
        ("3 - 5", "344B5"),
        ("1,3,6", "136"),
        ("6, 3,1", "631"),
        ("4-5,2-4", "44B523"),
        ("2-3,3-4", "234"),
        ("5-", "567"),
        ("-2", "12"),
        ("-", "12344B567"),
    ],
)
def test_the_steps_that_a_text_names_in_the_order_it_names_them(
    pipeline: Pipeline, wanted: str | None, numbers: str
) -> None:
    assert "".join(step.number for step in pipeline.select(wanted)) == numbers


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("8", "there is no step '8'; known are 1, 2, 3"),
        ("3-8", "there is no step '8'"),
        ("5-3", "the range runs backwards"),
        ("3,", "there is no step ''"),
        (",", "there is no step ''"),
        ("3-5-7", "there is no step '5-7'"),
        ("tracking", "there is no step 'tracking'"),
    ],
)
def test_other_texts_are_refused(pipeline: Pipeline, wanted: str, reason: str) -> None:
    with pytest.raises(UsageError) as error:
        pipeline.select(wanted)
    assert reason in str(error.value)


def test_a_step_with_a_letter_can_be_named(tmp_path: Path) -> None:
    pipeline = load(tmp_path, text("STEP4") + text("STEP4B"))
    assert [step.key for step in pipeline.select("4b")] == ["STEP4B"]
    assert [step.key for step in pipeline.select("4")] == ["STEP4"]


def test_steps_that_need_each_other_near_or_far_are_related(pipeline: Pipeline) -> None:
    assert pipeline.related("STEP7", "STEP2") and pipeline.related("STEP2", "STEP7")
    assert pipeline.related("STEP3", "STEP3")
    assert not pipeline.related("STEP3", "STEP4")


def test_the_transcript_comes_after_the_speakers_and_before_the_delivery_that_need_nothing_of_each_other(
    pipeline: Pipeline,
) -> None:
    assert pipeline.all_needs("STEP4B") == {"STEP1", "STEP2"} and "STEP4B" not in pipeline.all_needs("STEP7")
    assert pipeline.related("STEP4B", "STEP4") and pipeline.related("STEP7", "STEP4B")
    assert not pipeline.related("STEP4B", "STEP5")  # faces are tracked meanwhile


def test_a_step_named_by_itself_is_told_from_one_in_a_range(pipeline: Pipeline) -> None:
    assert pipeline.named("4-5, 4b,STEP2") == {"STEP4B", "STEP2"}
    assert pipeline.named(None) == pipeline.named("1-7") == frozenset()


def test_keys_that_are_no_steps_are_named(pipeline: Pipeline) -> None:
    pipeline.check(["STEP7", "STEP1"])
    with pytest.raises(UsageError, match=r"There is no step STEP8, x; known are STEP1, STEP2"):
        pipeline.check(["STEP8", "STEP3", "x"])


def test_limits_and_the_retry_rule_may_be_said_for_a_step(tmp_path: Path) -> None:
    more = 'retry_after_s = [1, 2.5]\nstall_s = 60\nkill_stalled = true\ntimeout_s = 7200\nvariables = ["X"]\n'
    (step,) = load(tmp_path, text("STEP1") + more).steps
    assert (step.retry_after_s, step.stall_s, step.kill_stalled, step.timeout_s) == ((1, 2.5), 60, True, 7200)
    assert step.variables == ("X",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "defines no step"),
        ("a = 1", "defines no step"),
        ("[[step", "cannot be read"),
        ("step = 3", r"steps must be written as \[\[step\]\] tables"),
        ('[step]\nkey = "STEP1"', r"steps must be written as \[\[step\]\] tables"),
        ('[[step]]\nkey = "STEP1"', "step STEP1: a field is missing or unknown"),
        ("[[step]]\ntitle = 1", r"step \?: a field is missing"),
        (text("STEP1") + 'more = "x"', "step STEP1: a field is missing or unknown"),
        (text("STEP1").replace('"1"', "1"), "step STEP1: number is of the wrong kind"),
        (text("STEP1").replace("needs = []", 'needs = "STEP0"'), "step STEP1: needs is of the wrong kind"),
        (text("STEP1") + "stall_s = true", "step STEP1: stall_s is of the wrong kind"),
        (text("STEP1") + "timeout_s = -1", "step STEP1: timeout_s is of the wrong kind"),
        (text("STEP1") + 'retry_after_s = ["x"]', "step STEP1: retry_after_s is of the wrong kind"),
        (text("STEP1") + "logs = [1]", "step STEP1: logs is of the wrong kind"),
        (text("STEP1", "STEP2"), "STEP1 needs STEP2, which does not come before it"),
        (text("STEP1", "STEP2") + text("STEP2", "STEP1"), "STEP1 needs STEP2, which does not come before it"),
        (text("STEP1", "STEP1"), "STEP1 needs STEP1, which does not come before it"),
        (text("STEP1") + text("STEP1"), "STEP1 is defined twice"),
        (text("STEP1", slot="tpu"), "STEP1 asks for slot 'tpu'; known are cpu, gpu"),
    ],
)
def test_a_graph_that_cannot_be_run_is_refused(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(UsageError, match=rf"^workflow\.toml: .*{reason}"):
        load(tmp_path, content)


def test_a_graph_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: cannot be read"):
        load_pipeline(tmp_path / "none.toml")
