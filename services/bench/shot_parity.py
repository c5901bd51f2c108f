"""The scores of STEP3's network against the package's own, as `benchmarks/shots/parity.py` tells them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.bench.corpus import corpus_files
from services.bench.scripts import Show, results_of, script_command

#: Whose transitions those of the other ways are compared with.
_EXACT = "float32"


@dataclass(frozen=True)
class Parity:
    """How far one way to compute is off on so many frames.

    `single` and `many` are the largest differences from the package's scores, of either head. `cuts` is how many
    cuts the package makes, `same_cuts` whether its rule makes the same from these scores. `same_transitions` tells
    whether STEP3's rules make the same as from FP32; None where STEP3 does not compute so.
    """

    frames: int
    backend: str
    single: float
    many: float
    cuts: int
    same_cuts: bool
    same_transitions: bool | None


def measure_parity(folder: Path | None, lengths: Sequence[int], show: Show) -> list[Parity]:
    """Compare on frames of a folder's videos, without one on made-up pictures.

    Raises:
        UsageError: there are no videos in the folder.
        ToolError: it failed.
    """
    if folder:
        corpus_files(folder)  # raises
    options = [word for length in lengths for word in ("--frames", str(length))]
    subject = [str(folder.absolute())] if folder else []
    rows = []
    command = script_command("transnet_env", "parity", *options, *subject)
    for row in _rows(results_of(command, "parity failed")):
        show(f"{row.frames} frames: {row.backend}")
        rows.append(row)
    return rows


def _rows(results: Iterator[dict[str, Any]]) -> Iterator[Parity]:
    exact: dict[int, list[int]] = {}
    for said in results:
        frames, found = said["frames"], said["transitions"]
        if said["backend"] == _EXACT:
            exact[frames] = found
        yield Parity(
            frames=frames,
            backend=said["backend"],
            single=said["single"],
            many=said["many"],
            cuts=len(said["package"]),
            same_cuts=said["cuts"] == said["package"],
            same_transitions=None if found is None else found == exact[frames],
        )
