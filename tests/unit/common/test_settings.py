"""Parameters and settings: which value is effective, where it comes from, and what is refused."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common import settings
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.settings import Parameter, Settings, add_options, load_dotenv, read_dotenv, resolve

THRESHOLD = Parameter("threshold", float, 0.5, "Probability of a cut", 0.0, 1.0, env="TOY_THRESHOLD")
BATCH = Parameter("batch_size", int, "auto", "Windows at once", 1, 64, special=("auto",), affects_result=False)
ENGINE = Parameter("engine", str, "fast", "Which engine", choices=("fast", "good"))
DRY = Parameter("dry", bool, False, "Whether nothing is written")
FOLDER = Parameter("output_dir", Path, None, "Where to", env="TOY_OUTPUT")
TOKEN = Parameter("token", str, None, "The token", env="TOY_TOKEN", secret=True)
TABLE = (THRESHOLD, BATCH, ENGINE, DRY, FOLDER, TOKEN)


@pytest.fixture(autouse=True)
def _no_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_from_dotenv", set())
    for parameter in TABLE:
        if parameter.env:
            monkeypatch.delenv(parameter.env, raising=False)


def config(folder: Path, **values: object) -> Path:
    """A parameter file in a folder `config`."""
    path = folder / "config" / "toy.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(values))
    return path


def test_the_later_origin_wins(tmp_path: Path, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def effective(path: Path | None, **given: object) -> tuple[float, str]:
        found = resolve((THRESHOLD,), path, given)
        return found.threshold, found.origin("threshold")

    assert effective(None) == (0.5, "default")
    path = config(tmp_path, threshold=0.1)
    assert effective(path) == (0.1, "config/toy.json")
    data_folder.mkdir()
    (data_folder / ".env").write_text("TOY_THRESHOLD=0.2\n")
    with monkeypatch.context() as patch:
        patch.setenv("TOY_THRESHOLD", "0")  # so that it is taken away again
        patch.delenv("TOY_THRESHOLD")
        load_dotenv()
        assert effective(path) == (0.2, ".env TOY_THRESHOLD")
    monkeypatch.setattr(settings, "_from_dotenv", set())
    monkeypatch.setenv("TOY_THRESHOLD", "0.3")
    load_dotenv()  # what is set already stays
    assert effective(path) == (0.3, "environment TOY_THRESHOLD")
    assert effective(path, threshold="0.4") == (0.4, "command line --threshold")


def test_null_in_the_file_and_an_empty_variable_mean_not_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_THRESHOLD", "")
    found = resolve(TABLE, config(tmp_path, threshold=None, output_dir=None), {"threshold": None})
    assert (found.threshold, found.output_dir) == (0.5, None)
    assert found.origin("threshold") == found.origin("output_dir") == "default"


def test_a_path_does_not_depend_on_where_the_next_process_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert resolve((FOLDER,), None, {"output_dir": "out"}).output_dir == Path.cwd() / "out"
    assert resolve((FOLDER,), None, {"output_dir": "~/out"}).output_dir == Path("/home/somebody/out")


def test_another_variable_may_set_a_value_and_two_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    width = Parameter("width", float, 1.0, "A width", env="TOY_WIDTH", also=("TOY_OLD_WIDTH",))
    monkeypatch.delenv("TOY_WIDTH", raising=False)
    monkeypatch.setenv("TOY_OLD_WIDTH", "2")
    found = resolve((width,), None, {})
    assert (found.width, found.origin("width")) == (2.0, "environment TOY_OLD_WIDTH")
    monkeypatch.setenv("TOY_WIDTH", "2.0")  # the same in other words
    assert resolve((width,), None, {}).origin("width") == "environment TOY_WIDTH"
    monkeypatch.setenv("TOY_WIDTH", "3")
    with pytest.raises(UsageError) as error:
        resolve((width,), None, {"width": "4"})
    assert str(error.value) == (
        "width cannot be '3' (environment TOY_WIDTH) and '2' (environment TOY_OLD_WIDTH) at once. "
        "Keep one of the variables."
    )
    parser = argparse.ArgumentParser()
    add_options(parser, (width,))
    assert "TOY_WIDTH, TOY_OLD_WIDTH" in " ".join(parser.format_help().split())


GOOD = [
    (THRESHOLD, 1, 1.0),
    (THRESHOLD, "1e-3", 0.001),
    (THRESHOLD, 0.0, 0.0),
    (BATCH, "auto", "auto"),
    (BATCH, 64, 64),
    (BATCH, "8", 8),
    (BATCH, 8.0, 8),
    (ENGINE, "good", "good"),
    (DRY, True, True),
    (DRY, "Yes", True),
    (DRY, "off", False),
    (DRY, 1, True),
    (DRY, "0", False),
    (TOKEN, "", None),
    (FOLDER, "", None),
    (FOLDER, "/a b/c ", Path("/a b/c ")),
]
BAD = [
    (THRESHOLD, 1.01),
    (THRESHOLD, -0.01),
    (THRESHOLD, "half"),
    (THRESHOLD, "nan"),
    (THRESHOLD, float("nan")),
    (THRESHOLD, "inf"),
    (THRESHOLD, True),
    (THRESHOLD, []),
    (Parameter("limit", float, 1.0, "A limit without an upper bound", 0.0), float("inf")),
    (Parameter("limit", float, 1.0, "A limit without an upper bound", 0.0), "1e999"),
    (Parameter("count", int, 1, "A number without bounds"), float("inf")),
    (Parameter("count", int, 1, "A number without bounds"), float("nan")),
    (BATCH, 0),
    (BATCH, 65),
    (BATCH, 1.5),
    (BATCH, "1.5"),
    (BATCH, "Auto"),
    (BATCH, {}),
    (BATCH, False),
    (ENGINE, "slow"),
    (ENGINE, 1),
    (ENGINE, ""),
    (DRY, "maybe"),
    (DRY, 2),
    (DRY, []),
    (FOLDER, 1),
]


@pytest.mark.parametrize(("parameter", "value", "parsed"), GOOD)
def test_allowed_values(parameter: Parameter, value: object, parsed: object) -> None:
    found = parameter.parse(value, "here")
    assert found == parsed and type(found) is type(parsed)


@pytest.mark.parametrize(("parameter", "value"), BAD)
def test_a_value_that_is_not_allowed_is_refused_with_origin_and_what_would_be(
    parameter: Parameter, value: object
) -> None:
    with pytest.raises(UsageError) as error:
        parameter.parse(value, "config/toy.json")
    text = str(error.value)
    assert text.startswith(f"{parameter.name} = {value!r} (config/toy.json) is not allowed: it must be ")
    assert parameter.allowed in text


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers(), max_size=2))
def test_any_value_is_parsed_or_refused(value: object) -> None:
    for parameter in TABLE:
        try:
            parsed = parameter.parse(value, "here")
        except UsageError:
            continue
        assert parsed is None or parsed in parameter.special or isinstance(parsed, parameter.type)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (THRESHOLD, "a number from 0 to 1"),
        (BATCH, "auto or a whole number from 1 to 64"),
        (ENGINE, "one of fast, good"),
        (DRY, "true or false"),
        (FOLDER, "a path"),
        (TOKEN, "a text"),
    ],
)
def test_what_is_allowed_in_words(parameter: Parameter, words: str) -> None:
    assert parameter.allowed == words


def test_an_unknown_name_in_the_file_is_refused_with_the_one_it_resembles(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        resolve(TABLE, config(tmp_path, treshold=0.4), {})
    assert str(error.value) == "toy.json: there is no parameter 'treshold'. Did you mean 'threshold'?"
    with pytest.raises(UsageError, match="Known are threshold, batch_size"):
        resolve(TABLE, config(tmp_path, zzz=1), {})


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"1"])
def test_a_parameter_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "toy.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"toy\.json: the parameter file"):
        resolve(TABLE, path, {})


def test_a_parameter_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: the parameter file cannot be read"):
        resolve(TABLE, tmp_path / "none.json", {})


def test_a_secret_is_used_and_never_shown() -> None:
    found = resolve((TOKEN,), None, {"token": "hf_secret"})
    assert found.token == "hf_secret"
    assert "hf_secret" not in json.dumps([found.described(), found.fingerprint()])
    with pytest.raises(UsageError) as error:
        Parameter("token", int, None, "A number that is secret", secret=True).parse("hf_secret", "here")
    assert "hf_secret" not in str(error.value)
    assert resolve((TOKEN,), None, {}).described()["token"]["value"] is None


def test_the_fingerprint_holds_what_affects_the_result_alone() -> None:
    found = resolve(TABLE, None, {"output_dir": "/out"})
    assert found.fingerprint() == {
        "threshold": 0.5,
        "engine": "fast",
        "dry": False,
        "output_dir": "/out",
        "token": None,
    }
    assert json.loads(json.dumps(found.described()))["batch_size"] == {"value": "auto", "origin": "default"}


def test_an_unknown_setting_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = Settings([]).nothing


def test_a_step_of_the_controller_reads_no_dotenv_but_takes_what_it_was_given(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data_folder.mkdir()
    (data_folder / ".env").write_text("SOMEBODY_ELSES_TOKEN=secret\n")
    monkeypatch.setenv("WORKFLOW_STEP_RUN", "/a/folder")
    load_dotenv()
    assert "SOMEBODY_ELSES_TOKEN" not in os.environ


def test_lines_of_a_dotenv_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# a comment\n\nA=1\nexport B = two words \nC='quoted # kept'\nD=\"x\"\nE=value # a comment\nF=\n"
        "G=a=b\nH=no#comment\n=nameless\nno equals\n1X=number first\nI='\n export J=indented\n#K=1\n",
        encoding="utf-8",
    )
    assert read_dotenv(path) == {
        "A": "1",
        "B": "two words",
        "C": "quoted # kept",
        "D": "x",
        "E": "value",
        "F": "",
        "G": "a=b",
        "H": "no#comment",
        "I": "'",
        "J": "indented",
    }
    assert read_dotenv(tmp_path / "none") == {}


@given(st.binary(max_size=100))
def test_any_dotenv_file_can_be_put_into_the_environment(tmp_path_factory: Any, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("data")
    (folder / ".env").write_bytes(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        for name, value in read_dotenv(folder / ".env").items():
            assert name and "=" not in name and "\0" not in name + value
            os.putenv(name, value)
            os.unsetenv(name)


def parsed(*arguments: str) -> argparse.Namespace:
    """Arguments as a command line with the table's options understands them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("targets", nargs="*")
    add_options(parser, TABLE)
    return parser.parse_args(arguments)


def test_every_parameter_is_an_option_and_is_not_given_unless_it_is_named() -> None:
    assert {getattr(parsed(), parameter.name) for parameter in TABLE} == {None}
    given = parsed("--threshold", "0.3", "--batch-size=4", "--engine", "good", "--output-dir", "/x", "video")
    assert (given.threshold, given.batch_size, given.engine, given.output_dir) == ("0.3", "4", "good", "/x")
    assert given.targets == ["video"]


@pytest.mark.parametrize(("flag", "value"), [("--dry", True), ("--no-dry", False)])
def test_a_switch_takes_no_word_so_that_a_target_may_follow(flag: str, value: bool) -> None:
    given = parsed(flag, "project")
    assert (given.dry, given.targets) == (value, ["project"])
    assert resolve((DRY,), None, {"dry": given.dry}).dry is value


def test_the_help_says_range_default_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "Probability of a cut (a number from 0 to 1; default: 0.5; environment: TOY_THRESHOLD)" in text
    assert "Windows at once (auto or a whole number from 1 to 64; default: auto)" in text
    assert "Where to (a path; default: not set; environment: TOY_OUTPUT)" in text
