"""Names as keys: every name has one, and it means that name only."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.names import key_of, name_of

NAMES = st.binary(min_size=1, max_size=255).filter(
    lambda name: b"/" not in name and b"\0" not in name and name not in (b".", b"..")
)


@given(NAMES)
def test_every_name_of_a_file_has_a_key_of_its_own_that_is_safe_in_an_address(name: bytes) -> None:
    key = key_of(os.fsdecode(name))
    assert os.fsencode(name_of(key) or "") == name
    assert set(key) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


@given(st.text())
def test_what_is_no_key_is_no_name_that_leads_elsewhere(text: str) -> None:
    name = name_of(text)
    assert name is None or (not {"/", "\0"} & set(name) and name not in ("", ".", ".."))


@pytest.mark.parametrize("key", ["", ".", "..", "~2E~2E", "a/b", "a~2Fb", "~00", "x" * 256, "\ud800x"])
def test_what_can_be_no_name(key: str) -> None:
    assert name_of(key) is None


def test_a_plain_name_means_itself() -> None:
    assert name_of("Émission – 12 mai") == "Émission – 12 mai"
