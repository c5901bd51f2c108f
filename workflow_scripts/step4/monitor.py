"""Figures while STEP4 runs: how fast the networks are, how much of the GPU they use, how much speech they find.

`logs/audio_metrics_<session>.csv` gets a line every few seconds and one for each finished video;
`profiling/audio_perf_<session>.json` holds the raw figures of every video.
"""

from __future__ import annotations

import csv
import logging
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workflow_scripts.common.artifacts.files import write_json
from workflow_scripts.common.devices import cuda_memory
from workflow_scripts.common.events import utc_now
from workflow_scripts.common.paths import data_folder, logs_folder
from workflow_scripts.step4.engine import Mode

SLOW_SECONDS = 0.1
"""A segment that takes longer on a GPU shows that it computes too many at once (specification: 100 ms)."""
LOW_SHARE = 0.05
"""Less speech than this is said (specification: 5 %)."""
LINE_SECONDS = 5.0
KEPT_SESSIONS = 50
"""Older files are removed."""
COLUMNS = (
    *("time", "video", "event", "segments", "ms_per_segment", "speech_share"),
    *("gpu_used_mb", "gpu_total_mb", "batch_size", "device", "precision"),
)


@dataclass
class Batches:
    """What one of the networks did for a video: segments, and the seconds of each batch per segment."""

    segments: int = 0
    seconds: float = 0.0
    per_segment: list[float] = field(default_factory=list)

    def add(self, segments: int, seconds: float) -> None:
        """Count a batch."""
        self.segments += segments
        self.seconds += seconds
        self.per_segment.append(seconds / max(1, segments))

    def figures(self) -> dict[str, Any]:
        """Segments, seconds, and the mean, median and longest time of a segment in milliseconds."""
        times = self.per_segment or [0.0]
        return {
            "segments": self.segments,
            "seconds": round(self.seconds, 3),
            "ms_mean": round(1000 * self.seconds / max(1, self.segments), 2),
            "ms_median": round(1000 * statistics.median(times), 2),
            "ms_max": round(1000 * max(times), 2),
        }


@dataclass(frozen=True)
class Speech:
    """What was found in a video: frames, those with speech, and the first of these, numbered from 1."""

    frames: int
    speech_frames: int
    first: int | None

    @property
    def share(self) -> float:
        """Share of frames with speech."""
        return self.speech_frames / self.frames if self.frames else 0.0


class Watch:
    """Watches the networks at work on one video; it is the observer that engines call after each batch."""

    def __init__(self, video: str, mode: Mode, batch_size: int, write: Callable[[dict[str, Any]], None]) -> None:
        self.video = video
        self.mode = mode
        self.batch_size = batch_size
        self.networks: dict[str, Batches] = {}
        self.gpu_peak = 0
        self._write = write
        self._told = time.monotonic()

    def __call__(self, network: str, segments: int, seconds: float) -> None:
        """Count a batch of a network; every few seconds that makes a line."""
        batches = self.networks.setdefault(network, Batches())
        batches.add(segments, seconds)
        now = time.monotonic()
        if now - self._told >= LINE_SECONDS:
            self._told = now
            self._write(self.line(network, batches.segments, 1000 * batches.per_segment[-1]))

    @property
    def ms_per_segment(self) -> float:
        """Mean time of a segment in its slowest network, in milliseconds."""
        means = (batches.figures()["ms_mean"] for batches in self.networks.values())
        return max(means, default=0.0)

    def line(
        self, event: str, segments: int | None = None, ms: float | None = None, share: float | None = None
    ) -> dict[str, Any]:
        """One line of the metrics."""
        used, total = self._gpu_memory()
        return {
            "time": utc_now(),
            "video": self.video,
            "event": event,
            "segments": segments,
            "ms_per_segment": None if ms is None else round(ms, 2),
            "speech_share": None if share is None else round(share, 4),
            "gpu_used_mb": used,
            "gpu_total_mb": total,
            "batch_size": self.batch_size,
            "device": self.mode.device,
            "precision": self.mode.half or "float32",
        }

    def _gpu_memory(self) -> tuple[int | None, int | None]:
        memory = cuda_memory() if self.mode.device == "cuda" else None
        if memory is None:
            return None, None
        free, total = memory
        self.gpu_peak = max(self.gpu_peak, total - free)
        return (total - free) >> 20, total >> 20


class Monitor:
    """The figures of one run of STEP4; `enabled` False keeps them out of files, not out of the log."""

    def __init__(self, log: logging.Logger, enabled: bool = True, folder: Path | None = None) -> None:
        session = f"{time.strftime('%Y%m%d_%H%M%S')}_{os.getpid()}"
        logs, profiling = (folder / "logs", folder / "profiling") if folder else (logs_folder(), _profiling())
        self._log = log
        self._enabled = enabled
        self._metrics = logs / f"audio_metrics_{session}.csv"
        self._perf = profiling / f"audio_perf_{session}.json"
        self._videos: list[dict[str, Any]] = []

    def watch(self, video: str, mode: Mode, batch_size: int) -> Watch:
        """Begin with a video."""
        return Watch(video, mode, batch_size, self._write_line)

    def finish(self, watch: Watch, speech: Speech, seconds: dict[str, float]) -> None:
        """Say and write what came of a video.

        Args:
            seconds: those of the phases.
        """
        share, ms = speech.share, watch.ms_per_segment
        self._log.info("[PROFILING] %s: %.1f ms/segment (moyenne)", watch.video, ms)
        if share < LOW_SHARE:
            self._log.warning("[PROFILING] %s: Taux de détection faible (%.0f%%)", watch.video, 100 * share)
        self._write_line(watch.line("finished", None, ms, share))
        self._videos.append(
            {
                "video": watch.video,
                "mode": str(watch.mode),
                "batch_size": watch.batch_size,
                "networks": {name: batches.figures() for name, batches in watch.networks.items()},
                "gpu_peak_bytes": watch.gpu_peak or None,
                "speech": asdict(speech) | {"share": round(share, 4)},
                "seconds": {name: round(value, 3) for name, value in seconds.items()},
            }
        )
        self._attempt(self._write_perf)

    def _write_perf(self) -> None:
        self._perf.parent.mkdir(parents=True, exist_ok=True)
        write_json(self._perf, {"session": self._perf.stem, "videos": self._videos})
        _keep_newest(self._perf.parent, "audio_perf_*.json")

    def _write_line(self, line: dict[str, Any]) -> None:
        def write() -> None:
            new = not self._metrics.exists()
            self._metrics.parent.mkdir(parents=True, exist_ok=True)
            with self._metrics.open("a", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, COLUMNS)
                if new:
                    writer.writeheader()
                    _keep_newest(self._metrics.parent, "audio_metrics_*.csv")
                writer.writerow(line)

        self._attempt(write)

    def _attempt(self, write: Callable[[], None]) -> None:
        """Write, unless figures are not wanted; what cannot be written is said once and never stops the work."""
        if not self._enabled:
            return
        try:
            write()
        except OSError as error:
            self._enabled = False
            self._log.warning("The figures of this run cannot be written (%s); going on without.", error.strerror)


def smaller_batch(ms_per_segment: float, mode: Mode, batch_size: int) -> int:
    """The batch size to go on with: half, where a segment takes too long on a GPU."""
    slow = mode.device == "cuda" and ms_per_segment > 1000 * SLOW_SECONDS
    return max(1, batch_size // 2) if slow else batch_size


def _profiling() -> Path:
    return data_folder() / "profiling"


def _keep_newest(folder: Path, pattern: str) -> None:
    for old in sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)[:-KEPT_SESSIONS]:
        old.unlink(missing_ok=True)
