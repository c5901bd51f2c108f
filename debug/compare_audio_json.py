#!/usr/bin/env python3
"""Compare two audio analyses of one video: `python3 debug/compare_audio_json.py A_audio.json B_audio.json`.

Any Python will do; it goes on with that of `env`, which has the libraries. `--help` tells the options.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENV = ROOT / "env"


def main() -> int:
    """Compare, in `env`; returns the exit status."""
    if Path(sys.prefix).resolve() != ENV.resolve():
        python = str(ENV / "bin" / "python")
        if not os.access(python, os.X_OK):
            print("This needs the environment env, which is not made. Run scripts/setup env.", file=sys.stderr)
            return 3
        os.execv(python, [python, *sys.argv])
    sys.path[0] = str(ROOT)  # until here this script's folder
    from debug.audio_comparison import compare_files

    return compare_files(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
