"""The API never stands open to the network."""

from __future__ import annotations

import pytest

from services.web.settings import WebSettings, is_loopback, load_web_settings
from workflow_scripts.common.errors import UsageError

TOKEN = "a-token-that-nobody-guesses"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "cut.example", ""])
def test_beyond_this_machine_it_does_not_start_without_a_token(host: str) -> None:
    with pytest.raises(UsageError, match="without a token"):
        WebSettings(host=host)
    assert WebSettings(host=host, token=TOKEN).token == TOKEN


@pytest.mark.parametrize("token", ["short", "päßwörter-sind-hier-nicht-gut"])
def test_a_token_that_is_easily_guessed_or_cannot_be_sent_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="16 characters"):
        WebSettings(token=token)


def test_the_environment_says_how_it_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "HOST": "10.0.0.5", "PORT": "9000", "NAMES": "Cut.Example, 10.0.0.6 ,[fe80::1]", "TOKEN": TOKEN
    }.items():  # fmt: skip
        monkeypatch.setenv(f"WORKFLOW_WEB_{name}", value)
    settings = load_web_settings()
    assert (settings.host, settings.port, settings.token) == ("10.0.0.5", 9000, TOKEN)
    names = ("cut.example", "CUT.EXAMPLE.", "10.0.0.6", "10.0.0.5", "fe80::1", "localhost", "::1")
    assert all(map(settings.answers_to, names))
    assert not settings.answers_to("10.0.0.7")


@pytest.mark.parametrize(("name", "local"), [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True),
                                              ("localhost", True), ("localhost.evil", False), ("0.0.0.0", False),
                                              ("127.0.0.1.evil", False), ("", False)])  # fmt: skip
def test_what_is_this_machine(name: str, local: bool) -> None:
    assert is_loopback(name) == local
