"""The libraries of the front end are those that were looked at, whole, and each with its licence."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workflow_scripts.common.manifest import file_sha256
from workflow_scripts.common.paths import ROOT

VENDOR = ROOT / "static" / "vendor"
FOLDERS = sorted(path for path in VENDOR.iterdir() if path.is_dir())


def listed() -> dict[str, str]:
    """The sums that were written down, by path."""
    lines = (VENDOR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, path in (line.split("  ", 1) for line in lines)}


def test_every_file_is_the_one_that_was_written_down_and_none_is_missing() -> None:
    files = [path for path in VENDOR.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert {str(path.relative_to(VENDOR)): file_sha256(path) for path in files} == listed()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_library_has_its_version_in_its_name_and_a_licence(folder: Path) -> None:
    assert re.fullmatch(r"[a-z][a-z-]*-\d+\.\d+\.\d+", folder.name)
    assert (folder / "LICENSE").read_text(encoding="utf-8").strip()
