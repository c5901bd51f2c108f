#!/usr/bin/env python3
"""What is said in sound files: `./transcribe.py interview.m4a`; the same code as STEP4B. See --help."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent


def main() -> NoReturn:
    """Go on in the environment that has the speech engine, whatever Python this was started with."""
    python = ROOT / "audio_env" / "bin" / "python"
    if not python.exists():
        print("The environment audio_env is missing. Run scripts/setup audio_env.", file=sys.stderr)
        sys.exit(3)
    words = [str(python), str(ROOT / "workflow_scripts" / "step4" / "transcribe_file.py"), *sys.argv[1:]]
    os.execv(words[0], words)


if __name__ == "__main__":
    main()
