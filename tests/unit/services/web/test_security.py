"""Wrong tokens are counted for each client, and forgotten after a minute."""

from __future__ import annotations

from services.web.security import TRIES, TokenGate

TOKEN = "a-token-that-nobody-guesses"


def test_a_client_that_guessed_is_heard_again_after_a_minute() -> None:
    now = [0.0]
    gate = TokenGate(TOKEN, lambda: now[0])
    for _ in range(TRIES):
        assert not gate.is_blocked("a")
        assert not gate.accepts("a", token="wrong")
    assert gate.is_blocked("a") and not gate.is_blocked("b")
    now[0] = 60.0
    assert not gate.is_blocked("a") and gate.accepts("a", token=TOKEN)


def test_only_the_token_and_its_own_cookie_are_accepted() -> None:
    gate = TokenGate(TOKEN)
    assert gate.accepts("a", token=TOKEN) and gate.accepts("a", cookie=gate.cookie)
    other = TokenGate("another-token-altogether").cookie
    for token, cookie in ((gate.cookie, None), (None, TOKEN), (None, other), (None, None), ("", ""), ("é", "é")):
        assert not gate.accepts("a", token=token, cookie=cookie)


def test_without_a_token_everybody_is_let_in() -> None:
    assert TokenGate(None).is_open and TokenGate(None).accepts("a")
