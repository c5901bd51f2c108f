"""The settings page: what it shows, and how values are changed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from services.pipeline import load_pipeline
from workflow_scripts.common import settings
from workflow_scripts.common.paths import ROOT

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PART = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Parameter files of the test's own; what it writes into `.env` is gone after it."""
    before = dict(os.environ)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(settings, "_from_dotenv", set())
    yield tmp_path / "config"
    for name in set(os.environ) - set(before):
        del os.environ[name]


def row(text: str, owner: str, name: str) -> str:
    """One setting of a page or part."""
    match = re.search(rf'<details class="setting" id="setting-{owner}-{name}".*?</details>', text, re.DOTALL)
    assert match is not None
    return match[0]


def seen(text: str) -> str:
    match = re.search(r'name="seen" value="(\w+)"', text)
    assert match is not None
    return match[1]


def change(client: Any, owner: str, name: str, **data: str) -> Any:
    shown = row(client.get(f"/parts/settings/{owner}").text, owner, name)
    form = {"seen": seen(shown), "refusals": f"refused-{owner}-{name}", **data}
    return client.post(f"/settings/{owner}/{name}", data=form, headers=PART)


def test_the_page_does_not_wait_for_the_steps_and_has_them_later(client: Any) -> None:
    text = client.get("/settings", headers=BROWSER).text
    assert row(text, "general", "cpu_slots")
    waiting = re.findall(r'hx-get="/parts/settings/(\w+)"', text)
    assert waiting == [step.key for step in load_pipeline().steps]
    part = client.get("/parts/settings/STEP2").text
    assert "What encodes" in part or "crf" in part
    again = client.get("/settings", headers=BROWSER).text
    assert row(again, "STEP2", "crf") and "/parts/settings/STEP2" not in again


def test_a_setting_is_shown_with_meaning_range_default_and_origin(client: Any) -> None:
    text = row(client.get("/parts/settings/STEP3").text, "STEP3", "threshold")
    assert "Probability above which a frame is a transition" in text
    assert "<strong" in text and ">0.5</strong>" in text and "config/step3_transnet.json" in text
    assert "numbers from 0.01 to 0.99" in text and 'min="0.01" max="0.99"' in text
    assert "made again" in text
    assert "What is done stays done." in row(client.get("/parts/settings/STEP3").text, "STEP3", "batch_size")


def test_a_changed_value_is_saved_and_the_default_brought_back(client: Any, config: Path) -> None:
    answer = change(client, "STEP3", "threshold", value="0.4")
    assert answer.status_code == 200 and "Saved." in answer.text and "not the default" in answer.text
    assert '"threshold": 0.4,' in (config / "step3_transnet.json").read_text()
    assert "not the default" not in change(client, "STEP3", "threshold", value="0.4", reset="yes").text
    assert '"threshold": 0.5,' in (config / "step3_transnet.json").read_text()


def test_a_refused_value_is_told_under_its_field_in_the_steps_words(client: Any, config: Path) -> None:
    answer = change(client, "STEP3", "threshold", value="7")
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#refused-STEP3-threshold")
    assert "it must be a number from 0.01 to 0.99" in answer.text
    assert '"threshold": 0.5,' in (config / "step3_transnet.json").read_text()


def test_a_value_that_somebody_else_changed_is_not_overwritten(client: Any) -> None:
    old = seen(row(client.get("/parts/settings/STEP3").text, "STEP3", "threshold"))
    change(client, "STEP3", "threshold", value="0.4")
    answer = client.post("/settings/STEP3/threshold", data={"seen": old, "value": "0.6"}, headers=PART)
    assert answer.status_code == 409 and "changed meanwhile" in answer.text


def test_what_the_environment_sets_has_no_form_and_says_where(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKFLOW_CPU_SLOTS", "3")
    text = row(client.get("/parts/settings/general").text, "general", "cpu_slots")
    assert "<form" not in text and "WORKFLOW_CPU_SLOTS, which comes first" in text
    answer = client.post("/settings/general/cpu_slots", data={"value": "4"}, headers=PART)
    assert answer.status_code == 422


def test_a_secret_is_told_as_set_and_no_more(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not set" in row(client.get("/parts/settings/general").text, "general", "web_token")
    monkeypatch.setenv("WORKFLOW_WEB_TOKEN", "a-token-that-nobody-guesses")
    text = row(client.get("/parts/settings/general").text, "general", "web_token")
    assert "(hidden)" in text and "nobody-guesses" not in text and "<form" not in text


def test_a_setting_of_the_house_is_written_into_dotenv(client: Any, data_folder: Path) -> None:
    answer = change(client, "general", "cpu_slots", value="5")
    assert answer.status_code == 200 and "worker was restarted" in answer.text
    assert (data_folder / ".env").read_text() == "WORKFLOW_CPU_SLOTS=5\n"


def test_a_step_without_environment_leaves_the_others(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.step_facts.python_of", lambda name: Path("/nowhere") / name)
    answer = client.get("/parts/settings/STEP3")
    assert answer.status_code == 200 and "transnet_env is missing" in answer.text
    assert "hard_cut_threshold" in answer.text and "<form" not in answer.text
    assert client.get("/settings", headers=BROWSER).status_code == 200


def test_a_wrong_configuration_is_told_and_can_be_put_right(client: Any, config: Path) -> None:
    (config / "step2_convert.json").write_text('{"crf": 99}')
    text = client.get("/parts/settings/STEP2").text
    assert "crf = 99 (config/step2_convert.json) is not allowed" in unescape(text)
    assert change(client, "STEP2", "crf", value="20").status_code == 200


@pytest.mark.parametrize("address", ["/parts/settings/STEP99", "/parts/settings/%2e%2e"])
def test_nobody_else_has_settings(client: Any, address: str) -> None:
    assert client.get(address).status_code in (404, 422)


def test_nonsense_is_refused(client: Any) -> None:
    for owner, name in (("STEP99", "x"), ("STEP2", "nothing"), ("general", "nothing")):
        assert client.post(f"/settings/{owner}/{name}", data={"value": "1"}, headers=PART).status_code == 422
    assert change(client, "general", "inbox_steps", value="1\n2").status_code == 422
    assert change(client, "STEP7", "output_dir", value="a\0b").status_code == 422
