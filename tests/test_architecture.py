"""What the code promises about itself: imports, sizes, help texts, parameter files, documentation."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from cli.workflow import main
from services.configuration import GENERAL
from services.doctor import TOKENS
from services.environments import python_of
from services.pipeline import StepDefinition, load_pipeline
from services.supervision.step_command import step_environment
from workflow_scripts.common.audio_parameters import PIPELINE_FILE
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.settings import Parameter
from workflow_scripts.common.step import Step

LAYERS = {
    "app.py": ("routes", "services"),
    "benchmarks": ("app", "benchmarks", "services", "workflow_scripts.step3", "workflow_scripts.step4"),
    "cli": ("cli", "services"),
    "debug": ("debug", "workflow_scripts.step4.comparison"),
    "routes": ("routes", "services"),
    "services": ("services",),
    "workflow_scripts": (),
}
CODE = sorted([ROOT / "app.py", *(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))])
STEPS = load_pipeline().steps
#: What `common` knows beyond the standard library, and where.
OUTSIDE = {
    "common/ffmpeg.py": {"ffmpeg"},
    "common/media.py": {"av"},
    "common/progress.py": {"tqdm"},
}
#: Parameters that are not in a parameter file: what is asked for a single run, and limits that nobody tunes.
NOT_IN_FILES = {
    ("STEP1", "source_dir"),
    ("STEP2", "stall_s"),
    ("STEP2", "measure_limit_s"),
    ("STEP7", "remove_source"),
}
HEAVY = ("torch", "torchaudio", "mediapipe", "cv2", "pyannote", "onnxruntime", "scipy", "matplotlib")
#: Environment variables that are no parameter of a table.
VARIABLES = ("WORKFLOW_EVENTS", *TOKENS)
LONGEST_FILE = 500


def name_of(path: Path) -> str:
    """A file as people name it."""
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} has a relative import"
            yield node.module or ""


def table_of(step: StepDefinition) -> tuple[Step[Any], tuple[Parameter, ...]]:
    """A step's class, made, and its parameters."""
    module = importlib.import_module(step.script.removesuffix(".py").replace("/", "."))
    (found,) = (
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Step) and value.__module__ == module.__name__
    )
    return found(), tuple(found.parameters)


def parameters() -> list[tuple[str, Parameter]]:
    """Every parameter there is, with its owner."""
    return [("general", p) for p in GENERAL] + [(step.key, p) for step in STEPS for p in table_of(step)[1]]


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    layer, folder = (*path.relative_to(ROOT).parts, "")[:2]
    allowed = (*LAYERS[layer], "workflow_scripts.common")
    if layer == "workflow_scripts" and folder.startswith("step"):
        allowed = (*allowed, f"workflow_scripts.{folder}")
    for module in imported(path):
        if module.partition(".")[0] in (*LAYERS, "app", "tests"):
            assert any(module == name or module.startswith(f"{name}.") for name in allowed), module


@pytest.mark.parametrize("path", [p for p in CODE if "common" in p.parts], ids=name_of)
def test_common_runs_in_every_environment(path: Path) -> None:
    outside = (
        {module.partition(".")[0] for module in imported(path)} - sys.stdlib_module_names - {"workflow_scripts"}
    )
    assert outside <= OUTSIDE.get(name_of(path).removeprefix("workflow_scripts/"), set())


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_no_file_is_a_god_module(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_files_are_short_as_a_rule() -> None:
    sizes = sorted(len(path.read_text(encoding="utf-8").splitlines()) for path in CODE)
    assert sizes[len(sizes) // 2] <= 200


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_every_file_and_everything_public_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name_of(path)}: {node.name}"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_the_help_of_a_step_is_quick_and_names_every_parameter(step: StepDefinition) -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = [sys.argv[1], '--help']\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as ended:\n"
        f"    print('HEAVY', *[name for name in {HEAVY} if name in sys.modules])\n"
        "    sys.exit(ended.code)\n"
    )
    python = python_of(step.environment)
    ended = subprocess.run([str(python), "-c", code, str(step.path)], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "HEAVY"  # and nothing after it
    instance, table = table_of(step)
    assert (instance.__doc__ or "").strip() and step.key == instance.key
    shown = " ".join(ended.stdout.split())
    for parameter in table:
        assert parameter.flag in shown
        assert " ".join(parameter.help.split())[:30] in shown
    assert all(option in shown for option in ("--config", "--force", "--dry-run", "--check", "--show-config"))
    assert ("--device" in shown) == instance.uses_accelerator
    assert "exit status: 0 all done" in shown


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_the_parameter_file_of_a_step_lists_its_parameters_with_their_defaults(step: StepDefinition) -> None:
    instance, table = table_of(step)
    listed = json.loads((ROOT / "config" / instance.config).read_text())
    expected = {p.name: p.default for p in table if (step.key, p.name) not in NOT_IN_FILES}
    assert listed == expected
    for parameter in table:
        if parameter.default is not None:
            assert parameter.parse(parameter.default, "default") == parameter.default


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.key)
def test_a_step_gets_the_variables_that_its_parameters_are_set_by(step: StepDefinition) -> None:
    names = [name for parameter in table_of(step)[1] for name in parameter.variables]
    assert set(step_environment(step.variables, source=dict.fromkeys(names, "x"))) >= set(names)


def test_only_the_step_that_needs_it_gets_the_token() -> None:
    assert [step.key for step in STEPS if {*TOKENS} & {*step.variables}] == ["STEP4"]


def test_every_parameter_file_belongs_to_a_step() -> None:
    there = {path.name for path in (ROOT / "config").glob("*.json")} - {PIPELINE_FILE}
    assert there == {table_of(step)[0].config for step in STEPS}


def test_no_two_settings_have_the_same_variable() -> None:
    names = [name for _, parameter in parameters() for name in parameter.variables]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["bench", "check", "demo", "setup", "start", "test", "workflow"])
def test_the_commands_of_a_developer_can_be_run(name: str) -> None:
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", str(path)], check=True)


def documentation() -> str:
    """All that is written for people."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def commands(group: click.Group, before: str) -> Iterator[str]:
    """Every command of a group, as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{before} {name}")
        else:
            yield f"{before} {name}"


def test_every_setting_is_documented() -> None:
    text = documentation()
    missing = {f"{owner} {p.name}" for owner, p in parameters() if owner != "general" and f"`{p.name}`" not in text}
    missing |= {name for _, p in parameters() for name in p.variables if name not in text}
    missing |= {name for name in VARIABLES if name not in text}
    assert not missing


def test_every_step_and_command_is_documented() -> None:
    text = documentation()
    assert not [step.key for step in STEPS if step.key not in text or Path(step.script).name not in text]
    assert not [command for command in commands(main, "scripts/workflow") if command not in text]
