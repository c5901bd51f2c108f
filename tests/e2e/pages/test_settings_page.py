"""The page of settings in a browser: values are changed, refused with a reason, and put back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workflow_scripts.common.paths import ROOT


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parameter files of the module's own."""
    return Path(shutil.copytree(ROOT / "config", tmp_path_factory.mktemp("settings") / "config"))


@pytest.fixture(scope="module")
def dashboard(make_dashboard: Any, config: Path) -> Iterator[Any]:
    """The application with these parameter files."""
    with make_dashboard(config.parent / "data", WORKFLOW_CONFIG_DIR=str(config)) as found:
        yield found


def setting(page: Any, owner: str, name: str) -> Any:
    """One setting, unfolded."""
    found = page.locator(f"#setting-{owner}-{name}")
    found.locator("summary").click()
    return found


def test_a_parameter_of_a_step_is_changed_in_its_file_and_put_back(page: Any, config: Path) -> None:
    file = config / "step2_convert.json"
    page.goto("/settings")
    crf = setting(page, "STEP2", "crf")
    assert "config/step2_convert.json" in crf.inner_text() or "default" in crf.inner_text()
    crf.get_by_label("Value").fill("21")
    page.keyboard.press("Enter")
    crf.get_by_text("Saved.").wait_for()
    assert json.loads(file.read_text())["crf"] == 21
    assert "not the default" in crf.inner_text()
    assert "step2_convert.json" in crf.locator("summary").inner_text()
    crf.get_by_role("button", name="Back to the default").click()
    crf.locator("summary strong", has_text="18").wait_for()
    assert json.loads(file.read_text()).get("crf", 18) == 18
    assert "not the default" not in crf.inner_text()


def test_a_refused_value_says_why_and_changes_nothing(page: Any, dashboard: Any) -> None:
    page.goto("/settings")
    steps = setting(page, "general", "inbox_steps")
    steps.get_by_label("Value").fill("9-12")
    steps.get_by_role("button", name="Save").click()
    refused = steps.get_by_role("alert")
    refused.get_by_text("9").wait_for()
    assert "not set" in steps.locator("summary").inner_text()
    assert not (dashboard.data / ".env").exists()
    steps.get_by_label("Value").fill("2-3")
    steps.get_by_role("button", name="Save").click()
    steps.get_by_text("Saved.").wait_for()
    assert "WORKFLOW_INBOX_STEPS" in (dashboard.data / ".env").read_text()
    assert ".env" in steps.locator("summary").inner_text()
    dashboard.complaints.clear()  # the browser says that the first answer was a refusal


def test_a_setting_is_found_by_typing_and_what_is_fixed_elsewhere_says_where(page: Any, dashboard: Any) -> None:
    page.goto("/settings")
    page.locator("#setting-STEP2-crf").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("data_dir")
    page.get_by_text("1 settings found").wait_for()
    folder = setting(page, "general", "data_dir")
    assert str(dashboard.data) in folder.inner_text()
    assert "environment WORKFLOW_DATA_DIR" in folder.inner_text()
    assert folder.get_by_role("button", name="Save").count() == 0
