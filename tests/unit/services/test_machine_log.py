"""What the machine did over time, kept and found again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from services.machine_log import KEPT, GpuUse, MachineLog, MachineWatch, Sample, measurement
from services.system import CpuMeter

START = 1_800_000_000.0


def sample(after: float, cpu: float = 0.5, load: float | None = 0.25) -> Sample:
    return Sample(START + after, cpu, 4e9, 1e11, {"GPU-1": GpuUse(load, 2e9)})


@pytest.fixture
def log(tmp_path: Path) -> MachineLog:
    return MachineLog(tmp_path / "logs" / "machine.json", now=lambda: START + 600)


def filled(log: MachineLog, *samples: Sample) -> MachineLog:
    for one in samples:
        log.add(one)
    return log


def test_only_what_is_later_is_given(log: MachineLog) -> None:
    filled(log, *(sample(2.0 * number) for number in range(5)))
    assert [one.time - START for one in log.since("hour", START + 4)] == [6, 8]
    assert len(log.since("hour")) == 5


def test_a_minute_that_is_over_is_one_mean_of_the_day(log: MachineLog) -> None:
    filled(log, sample(0, 0.2, 0.0), sample(30, 0.4, 1.0), sample(62, 0.9, None), sample(121, 0.1))
    first, second = log.since("day")
    assert (first.time - START, first.cpu, first.gpus["GPU-1"].load) == (30, 0.3, 0.5)
    assert (second.time - START, second.cpu, second.gpus["GPU-1"].load) == (62, 0.9, None)


def test_the_next_process_goes_on_from_the_file_and_forgets_what_is_old(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "machine.json"
    filled(MachineLog(path, now=lambda: START), sample(0), sample(2), sample(60), sample(62))
    assert len(MachineLog(path, now=lambda: START + 100).since("hour")) == 3  # as when the minute was full
    later = MachineLog(path, now=lambda: START + 7200)
    assert (len(later.since("hour")), len(later.since("day"))) == (0, 1)
    assert MachineLog(path, now=lambda: START + 100_000).since("day") == []


def test_no_more_is_kept_than_fits(log: MachineLog) -> None:
    filled(log, *(sample(2.0 * number) for number in range(KEPT["hour"] + 10)))
    assert len(log.since("hour")) == KEPT["hour"]
    assert log.since("hour")[0].time == START + 20


def test_time_goes_forward_when_the_clock_is_put_back(log: MachineLog) -> None:
    filled(log, sample(0), sample(10), sample(20), sample(5))
    assert [one.time - START for one in log.since("hour")] == [0, 5]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"hour": 3}', '{"hour": [[1]]}', '{"hour": [[1,2,3,4,5]]}'])
def test_a_file_of_nonsense_counts_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "machine.json"
    path.write_text(content)
    assert MachineLog(path).since("hour") == []


def test_a_disk_that_takes_no_file_loses_nothing_of_this_process(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder")
    log = MachineLog(tmp_path / "logs" / "machine.json", now=lambda: START)
    log.add(sample(0))
    with pytest.raises(OSError):
        log.add(sample(60))
    log.add(sample(62))
    assert len(log.since("hour")) == 3 and len(log.since("day")) == 1


def test_the_watch_measures_until_it_is_closed(log: MachineLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.machine_log.PERIOD_S", 0.001)
    enough, count = threading.Event(), iter(range(1_000_000))

    def measure() -> Sample:
        number = next(count)
        if number == 3:
            enough.set()
        return sample(float(number))

    watch = MachineWatch(log, measure)
    watch.start()
    watch.start()
    assert enough.wait(20)
    watch.close()
    assert len(log.since("hour")) >= 3


def test_a_measurement_is_of_this_machine(data_folder: Path) -> None:
    found = measurement()()
    assert 0 <= found.cpu <= 1
    assert 0 < found.memory < psutil.virtual_memory().total and found.disk > 0
    assert json.dumps(found.time)


def times(**seconds: float) -> Callable[[], object]:
    base = psutil.cpu_times()
    zero = dict.fromkeys(base._fields, 0.0)
    return lambda: type(base)(**{**zero, **seconds})


def test_the_processor_is_busy_for_what_is_not_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "cpu_times", times(user=10.0, idle=10.0))
    meter = CpuMeter()
    monkeypatch.setattr(psutil, "cpu_times", times(user=13.0, idle=11.0))
    assert meter.load() == pytest.approx(75)
    assert meter.load() == pytest.approx(75)  # no time has passed
