"""Where the product and its data lie."""

from __future__ import annotations

import os
from pathlib import Path

#: The repository: code and configuration.
ROOT = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """The folder that holds inbox, projects, logs and results: `WORKFLOW_DATA_DIR`, else the repository."""
    return Path(os.environ.get("WORKFLOW_DATA_DIR") or ROOT).resolve()


def inbox_folder() -> Path:
    """Where archives, folders and loose videos are dropped for STEP1."""
    return data_folder() / "inbox"


def projects_folder() -> Path:
    """Where the projects are: one folder each."""
    return data_folder() / "projets_extraits"


def logs_folder() -> Path:
    """Where human-readable logs go: `logs/stepN/…`."""
    return data_folder() / "logs"


def output_folder() -> Path:
    """Where STEP7 delivers when `OUTPUT_DIR` says nothing else."""
    return data_folder() / "output"


def config_folder() -> Path:
    """Where `workflow.toml` and the steps' parameter files are (`WORKFLOW_CONFIG_DIR`, else `config/`)."""
    return Path(os.environ.get("WORKFLOW_CONFIG_DIR") or ROOT / "config").resolve()
