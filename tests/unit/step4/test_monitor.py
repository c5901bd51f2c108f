"""Figures while STEP4 runs: what is written, what is said, and when the batch shrinks."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import pytest

from workflow_scripts.step4 import monitor as monitor_module
from workflow_scripts.step4.engine import Mode
from workflow_scripts.step4.monitor import COLUMNS, KEPT_SESSIONS, Monitor, Speech, smaller_batch

CPU, GPU = Mode("cpu"), Mode("cuda", "float16")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    caplog.set_level(logging.INFO)
    return logging.getLogger("test of the monitor")


def rows(folder: Path) -> list[dict[str, str]]:
    (path,) = (folder / "logs").glob("audio_metrics_*.csv")
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_finished_video_is_a_line_and_an_entry(tmp_path: Path, log: logging.Logger) -> None:
    monitor = Monitor(log, folder=tmp_path)
    for name in ("Débat – l’été.mp4", "b.mp4"):
        watch = monitor.watch(name, CPU, 32)
        watch("segmentation", 32, 0.64)
        watch("segmentation", 16, 0.16)
        watch("embeddings", 10, 0.5)
        monitor.finish(watch, Speech(4374, 3762, 12), {"decode": 0.5, "diarize": 2.0})
    written = rows(tmp_path)
    assert list(written[0]) == list(COLUMNS)
    assert [(row["video"], row["event"], row["speech_share"]) for row in written] == [
        ("Débat – l’été.mp4", "finished", "0.8601"),
        ("b.mp4", "finished", "0.8601"),
    ]
    assert written[0]["ms_per_segment"] == "50.0"  # the slower of the two networks
    (perf,) = (tmp_path / "profiling").glob("audio_perf_*.json")
    first = json.loads(perf.read_text(encoding="utf-8"))["videos"][0]
    assert first["networks"]["segmentation"] == {
        "segments": 48,
        "seconds": 0.8,
        "ms_mean": 16.67,
        "ms_median": 15.0,
        "ms_max": 20.0,
    }
    assert first["speech"] == {"frames": 4374, "speech_frames": 3762, "first": 12, "share": 0.8601}
    assert first["seconds"] == {"decode": 0.5, "diarize": 2.0}


def test_a_long_video_makes_lines_while_it_runs(
    tmp_path: Path, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("workflow_scripts.step4.monitor.time.monotonic", lambda: next(clock))
    watch = Monitor(log, folder=tmp_path).watch("a.mp4", CPU, 16)
    for _ in range(6):
        watch("segmentation", 16, 0.4)
    assert [(row["event"], row["segments"], row["ms_per_segment"]) for row in rows(tmp_path)] == [
        ("segmentation", "48", "25.0"),
        ("segmentation", "96", "25.0"),
    ]


def test_the_memory_of_the_gpu_is_in_the_lines(
    tmp_path: Path, log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor_module, "cuda_memory", lambda: (4 << 30, 12 << 30))
    monitor = Monitor(log, folder=tmp_path)
    monitor.finish(monitor.watch("a.mp4", GPU, 8), Speech(100, 50, 1), {})
    row = rows(tmp_path)[0]
    assert (row["gpu_used_mb"], row["gpu_total_mb"]) == ("8192", "12288")
    assert (row["batch_size"], row["device"], row["precision"]) == ("8", "cuda", "float16")
    (perf,) = (tmp_path / "profiling").glob("*.json")
    assert json.loads(perf.read_text())["videos"][0]["gpu_peak_bytes"] == 8 << 30


def test_little_speech_is_said(tmp_path: Path, log: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    monitor = Monitor(log, folder=tmp_path)
    monitor.finish(monitor.watch("a.mp4", CPU, 8), Speech(1000, 30, 5), {})
    monitor.finish(monitor.watch("b.mp4", CPU, 8), Speech(1000, 300, 5), {})
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["[PROFILING] a.mp4: Taux de détection faible (3%)"]


@pytest.mark.parametrize(
    ("ms", "mode", "batch", "after"), [(101, GPU, 16, 8), (99, GPU, 16, 16), (500, GPU, 1, 1), (500, CPU, 16, 16)]
)
def test_a_gpu_that_takes_over_100_ms_for_a_segment_gets_half_the_batch(
    ms: float, mode: Mode, batch: int, after: int
) -> None:
    assert smaller_batch(ms, mode, batch) == after


def test_without_profiling_nothing_is_written(tmp_path: Path, log: logging.Logger) -> None:
    monitor = Monitor(log, enabled=False, folder=tmp_path)
    monitor.finish(monitor.watch("a.mp4", CPU, 8), Speech(10, 5, 1), {})
    assert list(tmp_path.iterdir()) == []


def test_figures_that_cannot_be_written_are_said_once_and_stop_nothing(
    tmp_path: Path, log: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "logs").write_text("in the way")
    monitor = Monitor(log, folder=tmp_path)
    for _ in range(3):
        monitor.finish(monitor.watch("a.mp4", CPU, 8), Speech(10, 5, 1), {})
    assert sum("cannot be written" in record.getMessage() for record in caplog.records) == 1


def test_only_the_newest_sessions_are_kept(tmp_path: Path, log: logging.Logger) -> None:
    (tmp_path / "profiling").mkdir()
    for number in range(KEPT_SESSIONS + 5):
        (tmp_path / "profiling" / f"audio_perf_2020_{number:03d}.json").write_text("{}")
    monitor = Monitor(log, folder=tmp_path)
    monitor.finish(monitor.watch("a.mp4", CPU, 8), Speech(10, 5, 1), {})
    assert len(list((tmp_path / "profiling").iterdir())) == KEPT_SESSIONS
