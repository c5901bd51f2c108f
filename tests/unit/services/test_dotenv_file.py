"""Lines of `.env` that are changed, and what of it is in use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from services import dotenv_file
from workflow_scripts.common import settings
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.settings import load_dotenv, read_dotenv

TEXT = '# ours\n\nexport WORKFLOW_CPU_SLOTS=3   # both\nOTHER = "a b"\r\nWORKFLOW_TORCH=cpu'


@pytest.fixture(autouse=True)
def environment_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test reads from a `.env` is gone after it."""
    before = dict(os.environ)
    monkeypatch.setattr(settings, "_from_dotenv", set())
    yield
    for name in set(os.environ) - set(before):
        del os.environ[name]
    os.environ.update(before)


def read(text: str, folder: Path) -> dict[str, str]:
    path = folder / "some.env"
    path.write_bytes(text.encode())
    return read_dotenv(path)


def test_only_the_value_of_the_line_changes() -> None:
    after = dotenv_file.changed(TEXT, "WORKFLOW_CPU_SLOTS", "5")
    assert after == TEXT.replace("SLOTS=3", "SLOTS=5")
    assert dotenv_file.changed(TEXT, "OTHER", "c") == TEXT.replace('OTHER = "a b"\r\n', "OTHER=c\r\n")


def test_a_comment_behind_a_value_that_needs_quotes_stays_as_a_line() -> None:
    assert dotenv_file.changed("A=1 # why\nB=2\n", "A", " x") == '# why\nA=" x"\nB=2\n'


def test_a_new_line_comes_last_and_the_former_last_one_is_ended() -> None:
    assert dotenv_file.changed(TEXT, "NEW", "1") == f"{TEXT}\nNEW=1\n"
    assert dotenv_file.changed("", "NEW", "1") == "NEW=1\n"


def test_every_line_of_a_name_goes_so_that_none_comes_out_again() -> None:
    assert dotenv_file.changed("A=1\nB=2\nexport A=3\n", "A", None) == "B=2\n"
    assert dotenv_file.changed("A=1\nB=2\nA=3\n", "A", "4") == "A=1\nB=2\nA=4\n"


@pytest.mark.parametrize(
    "value",
    ["plain", "two words", " edges ", "with # in it", "'quoted'", '"', 'a "b" c', "été 映画", "=", "\\", "#"],
)
def test_what_is_written_is_what_is_read(value: str, tmp_path: Path) -> None:
    for before in ("", "A=old # why\n", 'A="old"\n'):
        assert read(dotenv_file.changed(before, "A", value), tmp_path)["A"] == value


@pytest.mark.parametrize("value", ["two\nlines", "a\rb", "a\u2028b", "nul\0", "esc\x1b[31m"])
def test_a_value_that_fits_in_no_line_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="one line"):
        dotenv_file.changed("", "A", value)


def test_what_the_file_says_anew_counts_and_what_the_environment_says_stays(
    data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_TORCH", "cuda")
    data_folder.mkdir()
    (data_folder / ".env").write_text("WORKFLOW_CPU_SLOTS=3\nWORKFLOW_TORCH=cpu\nWORKFLOW_HISTORY_DAYS=5\n")
    load_dotenv()
    assert dotenv_file.is_in_use("WORKFLOW_CPU_SLOTS") and not dotenv_file.is_in_use("WORKFLOW_TORCH")
    (data_folder / ".env").write_text("WORKFLOW_CPU_SLOTS=4\nWORKFLOW_WATCH_INBOX=true\nWORKFLOW_TORCH=cpu\n")
    dotenv_file.reload()
    assert os.environ["WORKFLOW_CPU_SLOTS"] == "4" and os.environ["WORKFLOW_WATCH_INBOX"] == "true"
    assert "WORKFLOW_HISTORY_DAYS" not in os.environ and os.environ["WORKFLOW_TORCH"] == "cuda"
    assert dotenv_file.is_in_use("WORKFLOW_WATCH_INBOX")
