#!/usr/bin/env python3
"""Find code that would use a GPU it may not: `python3 debug/gpu_audit.py PATH…`. Reads it, runs none of it.

Any Python from 3.11 on will do, without any package. `--help` tells the options, `--rules` the rules.
"""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # until here this script's folder
    from debug.gpu_auditing.command import main

    sys.exit(main(sys.argv[1:]))
