"""How far texts are from what was said, by jiwer: the errors of a word error rate, and which words are the same.

    bench_env/bin/python -m benchmarks.transcripts.score FILE

FILE holds one JSON array of pairs, true words and recognised words, none of them with a space in it. One JSON
object is printed per pair: `substituted`, `deleted`, `inserted`, and `same`, pairs of places in both.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jiwer


def score(true: Sequence[str], said: Sequence[str]) -> dict[str, Any]:
    """Compare two rows of words."""
    if not true:
        return {"substituted": 0, "deleted": 0, "inserted": len(said), "same": []}
    found = jiwer.process_words(" ".join(true), " ".join(said))
    same = [
        (one.ref_start_idx + place, one.hyp_start_idx + place)
        for one in found.alignments[0]
        if one.type == "equal"
        for place in range(one.ref_end_idx - one.ref_start_idx)
    ]
    counts = {"substituted": found.substitutions, "deleted": found.deletions, "inserted": found.insertions}
    return {**counts, "same": same}


if __name__ == "__main__":
    for pair in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        print(json.dumps(score(*pair)))
