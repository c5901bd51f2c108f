"""Settings as they are shown, and changed where they belong."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import setting_edits
from services.pipeline import Pipeline, load_pipeline
from services.setting_rows import HOUSE, SettingRow, house_group, step_group
from services.step_facts import StepFacts
from workflow_scripts.common import settings
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.settings import Parameter

CONVERT = "STEP2"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Parameter files of the test's own; what it reads from a `.env` is gone after it."""
    before = dict(os.environ)
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(folder))
    monkeypatch.setattr(settings, "_from_dotenv", set())
    yield folder
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def pipeline() -> Pipeline:
    return load_pipeline()


@pytest.fixture
def facts() -> StepFacts:
    return StepFacts()


class Desk:
    """Changes settings as a person does who has just looked."""

    def __init__(self, pipeline: Pipeline, facts: StepFacts) -> None:
        self.pipeline, self.facts = pipeline, facts

    def row(self, owner: str, name: str) -> SettingRow:
        return setting_edits.group_of(self.pipeline, self.facts, owner).row(name)

    def change(self, owner: str, name: str, text: str | None) -> SettingRow:
        seen = self.row(owner, name).seen
        return setting_edits.change(self.pipeline, self.facts, owner, name, text, seen)


@pytest.fixture
def desk(pipeline: Pipeline, facts: StepFacts) -> Desk:
    return Desk(pipeline, facts)


def test_a_step_tells_its_settings_with_meaning_range_and_origin(desk: Desk) -> None:
    row = desk.row(CONVERT, "crf")
    assert (row.value, row.origin, row.lock, row.effect) == (18, "config/step2_convert.json", "", "begin")
    assert row.parameter.help and (row.parameter.minimum, row.parameter.maximum) == (0, 40)
    assert not row.is_changed and row.parameter.affects_result


def test_a_changed_parameter_is_in_its_file_and_nothing_else_there_changes(desk: Desk, config: Path) -> None:
    path = config / "step2_convert.json"
    path.chmod(0o640)
    before = path.read_text()
    row = desk.change(CONVERT, "crf", "20")
    assert (row.value, row.is_changed) == (20, True)
    assert path.read_text() == before.replace('"crf": 18', '"crf": 20')
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_former_file_is_kept_for_its_owner_alone(desk: Desk, config: Path, data_folder: Path) -> None:
    before = (config / "step2_convert.json").read_text()
    desk.change(CONVERT, "crf", "20")
    (kept,) = (data_folder / "logs" / "settings").glob("* step2_convert.json")
    assert kept.read_text() == before and stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_back_to_the_default_leaves_the_file_as_it_was(desk: Desk, config: Path) -> None:
    before = (config / "step2_convert.json").read_text()
    desk.change(CONVERT, "crf", "20")
    assert desk.change(CONVERT, "crf", None).is_changed is False
    assert (config / "step2_convert.json").read_text() == before


@pytest.mark.parametrize("text", ["41", "-1", "eighteen", "", "1.5", "true"])
def test_a_value_that_the_step_refuses_is_not_written(desk: Desk, config: Path, text: str) -> None:
    before = (config / "step2_convert.json").read_bytes()
    with pytest.raises(UsageError, match=r"crf = .*config/step2_convert.json.*a whole number from 0 to 40"):
        desk.change(CONVERT, "crf", text)
    assert (config / "step2_convert.json").read_bytes() == before


def test_values_that_contradict_each_other_are_refused_in_the_steps_own_words(desk: Desk) -> None:
    desk.change("STEP4", "num_speakers", "3")
    with pytest.raises(UsageError, match=r"num_speakers = 3 .* max_speakers = 5 .* contradict"):
        desk.change("STEP4", "max_speakers", "5")


def test_what_somebody_changed_meanwhile_is_not_overwritten(desk: Desk, facts: StepFacts) -> None:
    seen, other = desk.row(CONVERT, "crf").seen, desk.row(CONVERT, "preset").seen
    desk.change(CONVERT, "crf", "20")
    with pytest.raises(setting_edits.Changed):
        setting_edits.change(desk.pipeline, facts, CONVERT, "crf", "22", seen)
    after = setting_edits.change(desk.pipeline, facts, CONVERT, "preset", "fast", other)
    assert after.value == "fast" and desk.row(CONVERT, "crf").value == 20


def test_what_the_environment_sets_is_not_changed_here(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_PROFILE", "cpu")
    monkeypatch.setenv("WORKFLOW_CPU_SLOTS", "3")
    for owner, name, variable in (
        ("STEP4", "profile", "AUDIO_PROFILE"),
        (HOUSE, "cpu_slots", "WORKFLOW_CPU_SLOTS"),
    ):
        row = desk.row(owner, name)
        assert (row.lock, row.variable) == ("environment", variable)
        with pytest.raises(UsageError, match="not changed here"):
            desk.change(owner, name, None)


def test_what_dotenv_sets_of_a_step_is_told_as_such(desk: Desk, data_folder: Path) -> None:
    data_folder.mkdir(exist_ok=True)
    (data_folder / ".env").write_text("AUDIO_PROFILE=cpu\n")
    settings.load_dotenv()
    row = desk.row("STEP4", "profile")
    assert (row.value, row.origin, row.lock) == ("cpu", ".env AUDIO_PROFILE", "dotenv")


def test_a_setting_of_the_house_is_written_into_dotenv_and_counts_at_once(desk: Desk, data_folder: Path) -> None:
    data_folder.mkdir(exist_ok=True)
    (data_folder / ".env").write_text("# ours\nHF_TOKEN=secret\n")
    (data_folder / ".env").chmod(0o600)
    row = desk.change(HOUSE, "cpu_slots", "4")
    assert (row.value, row.origin, row.effect) == (4, ".env WORKFLOW_CPU_SLOTS", "worker")
    assert (data_folder / ".env").read_text() == "# ours\nHF_TOKEN=secret\nWORKFLOW_CPU_SLOTS=4\n"
    assert stat.S_IMODE((data_folder / ".env").stat().st_mode) == 0o600
    assert desk.change(HOUSE, "cpu_slots", None).origin == "default"
    assert (data_folder / ".env").read_text() == "# ours\nHF_TOKEN=secret\n"


@pytest.mark.parametrize(("name", "text"), [("cpu_slots", "0"), ("torch", "rocm"), ("inbox_steps", "9")])
def test_a_setting_of_the_house_out_of_range_is_refused(
    desk: Desk, data_folder: Path, name: str, text: str
) -> None:
    with pytest.raises(UsageError):
        desk.change(HOUSE, name, text)
    assert not (data_folder / ".env").exists()


def test_who_can_reach_the_server_and_which_programs_run_is_not_decided_here(desk: Desk) -> None:
    for name in ("web_host", "web_port", "web_names", "web_token", "ffmpeg", "python", "data_dir", "config_dir"):
        assert desk.row(HOUSE, name).lock
        with pytest.raises(UsageError):
            desk.change(HOUSE, name, "x")


def test_secrets_are_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_WEB_TOKEN", "a-token-that-nobody-guesses")
    assert "nobody-guesses" not in repr(house_group())


def test_a_wrong_value_in_dotenv_is_told_and_can_be_put_right(desk: Desk, data_folder: Path) -> None:
    data_folder.mkdir(exist_ok=True)
    (data_folder / ".env").write_text("WORKFLOW_CPU_SLOTS=many\n")
    assert "many" in desk.row(HOUSE, "cpu_slots").problem
    assert desk.change(HOUSE, "cpu_slots", "2").value == 2


def test_two_wrong_values_in_a_file_can_be_put_right_one_after_the_other(desk: Desk, config: Path) -> None:
    (config / "step2_convert.json").write_text('{"crf": 99, "preset": "soon"}')
    group = setting_edits.group_of(desk.pipeline, desk.facts, CONVERT)
    assert "crf = 99" in group.problem and group.row("crf").value == 99
    desk.change(CONVERT, "preset", "fast")
    assert desk.change(CONVERT, "crf", "19").value == 19
    assert not setting_edits.group_of(desk.pipeline, desk.facts, CONVERT).problem


def test_a_step_without_its_environment_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.step_facts.python_of", lambda name: Path("/nowhere") / name)
    group = step_group(desk.pipeline["STEP3"], desk.facts)
    assert ("threshold", "0.5") in group.raw and group.file == "config/step3_transnet.json"
    assert group.rows == () and "transnet_env is missing" in group.problem and "scripts/setup" in group.hint


def test_unknown_owners_and_names_are_told(desk: Desk) -> None:
    for owner, name in (("STEP99", "x"), (CONVERT, "nothing"), (HOUSE, "nothing"), ("../..", "x")):
        with pytest.raises(UsageError):
            desk.row(owner, name)


def test_an_entry_that_is_not_there_is_added_with_the_files_indent() -> None:
    assert setting_edits.with_entry('{\n   "a": 1\n}\n', "b", "é") == '{\n   "a": 1,\n   "b": "é"\n}\n'
    tricky = '{"note": "\\"a\\": 5", "a" : {"a": 1}, "b": [1,2]}'
    assert setting_edits.with_entry(tricky, "a", None) == '{"note": "\\"a\\": 5", "a" : null, "b": [1,2]}'
    assert json.loads(setting_edits.with_entry('{"x": {"a": 1}, "a": 2}', "a", 3)) == {"x": {"a": 1}, "a": 3}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, " 7 ", 7),
        (int, "seven", "seven"),
        (int, "auto", "auto"),
        (float, "0,5", 0.5),
        (float, "nan", None),
        (bool, "True", True),
        (bool, "maybe", "maybe"),
        (str, "", None),
        (Path, "/a b", "/a b"),
    ],
)
def test_text_becomes_the_value_of_its_kind(kind: type, text: str, value: object) -> None:
    parameter = Parameter("p", kind, None, "", special=("auto",) if kind is int else ())
    found = setting_edits.typed(parameter, text)
    assert found == value or (text == "nan" and found != found)
