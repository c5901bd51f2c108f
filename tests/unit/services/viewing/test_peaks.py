"""The sound curve: nothing loud is lost at any zoom, and every part lies where it is heard."""

from __future__ import annotations

import dataclasses
import os
import threading
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from services.viewing.jobs import Progress
from services.viewing.peaks import FINEST, has_peaks, make_peaks, read_peaks
from services.viewing.playable import Film, NotMeasured, find_film
from services.viewing.playable_cache import cache_folder
from workflow_scripts.common.errors import CancelledError, ToolError, WorkflowError
from workflow_scripts.common.projects import Project, Video

SECONDS = 40
#: When it clicks.
CLICK_S = 17.003


def told() -> Progress:
    """What a build tells how far it is."""
    return Progress(threading.Event())


@pytest.fixture
def film(data_folder: Path, finish: Any) -> Film:
    """Silence with one click in it, and a last second that is loud."""
    return sounding(data_folder / "projets_extraits" / "P", finish)


def sounding(folder: Path, finish: Any) -> Film:
    """Write it, as STEP2 would leave it."""
    from workflow_scripts.common.media import probe
    from workflow_scripts.common.media_info import write_media

    video = Video(Project(folder, folder / "docs"), "a.mp4")
    video.path.parent.mkdir(parents=True)
    wave = np.zeros(SECONDS * 48000, np.float32)
    wave[round(CLICK_S * 48000) :][:96] = 0.9
    wave[-48000:] = 0.5 * np.sin(np.arange(48000) * 0.3)
    with av.open(f"file:{video.path}", "w") as container:
        picture: Any = container.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 32, 32, "yuv420p"
        sound: Any = container.add_stream("aac", rate=48000)
        for _ in range(SECONDS * 25):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        container.mux(picture.encode(None))
        for start in range(0, len(wave), 1024):
            samples = av.AudioFrame.from_ndarray(np.stack([wave[start : start + 1024]] * 2), "fltp", "stereo")
            samples.sample_rate, samples.pts, samples.time_base = 48000, start, Fraction(1, 48000)
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    write_media(video.workflow / "media.json", probe(video.path))
    finish(video, "STEP2", {"video": video.path})
    return find_film(folder.name, "a.mp4")


def test_a_click_is_seen_at_every_zoom_where_it_is_heard(film: Film) -> None:
    progress = told()
    make_peaks(film, progress)
    assert progress.share == 1.0 and has_peaks(film)
    for length in (0.1, 1.0, 10.0, 30.0):
        for points in (1, 7, 100, 1000):
            start = CLICK_S - length / 3
            peaks = read_peaks(film, start, start + length, points)
            assert peaks is not None and peaks.pairs.shape == (points, 2)
            height = peaks.pairs[:, 1].astype(int) - peaks.pairs[:, 0]
            loudest = (
                peaks.start + (peaks.end - peaks.start) * (int(height.argmax()) + 0.5) / points,
                height.max(),
            )
            assert abs(loudest[0] - CLICK_S) <= length / points + 0.02 and loudest[1] > 60


def test_silence_is_flat_and_the_end_is_loud(film: Film) -> None:
    make_peaks(film, told())
    peaks = read_peaks(film, 0, SECONDS, SECONDS)
    assert peaks is not None
    assert (np.abs(peaks.pairs[:16].astype(int)) <= 2).all()
    assert 55 <= peaks.pairs[-1, 1] <= 72 and -73 <= peaks.pairs[-1, 0] <= -55


def test_a_coarse_curve_holds_the_extremes_of_the_fine_one(film: Film) -> None:
    make_peaks(film, told())
    fine = read_peaks(film, 0, SECONDS, SECONDS * FINEST)
    assert fine is not None
    for points in (1, 3, 10, 77, 1234):
        coarse = read_peaks(film, 0, SECONDS, points)
        assert coarse is not None
        edges = np.linspace(0, len(fine.pairs), points + 1)
        for (low, high), begin, end in zip(coarse.pairs, np.ceil(edges), np.floor(edges[1:]), strict=False):
            inside = fine.pairs[int(begin) : int(end)]
            assert low <= inside[:, 0].min() and high >= inside[:, 1].max()


def test_a_range_is_cut_to_the_video(film: Film) -> None:
    make_peaks(film, told())
    beyond = read_peaks(film, SECONDS - 1, SECONDS + 100, 10)
    assert beyond is not None and (beyond.start, beyond.end, len(beyond.pairs)) == (SECONDS - 1, SECONDS, 10)
    for start, end in ((SECONDS, SECONDS + 5), (1e6, 1e7), (5, 5), (6, 5)):
        none = read_peaks(film, start, end, 10)
        assert none is not None and none.start == none.end and len(none.pairs) == 0


def test_finer_than_its_finest_it_repeats(film: Film) -> None:
    make_peaks(film, told())
    peaks = read_peaks(film, SECONDS - 0.5, SECONDS - 0.5 + 1e-4, 50)
    assert peaks is not None and len({tuple(pair) for pair in peaks.pairs.tolist()}) <= 2


def test_a_curve_is_made_once_and_never_half(film: Film) -> None:
    assert read_peaks(film, 0, 1, 10) is None
    make_peaks(film, told())
    path = cache_folder(film) / "peaks.npy"
    whole, stamp = path.read_bytes(), path.stat().st_mtime_ns
    make_peaks(film, told())
    assert path.stat().st_mtime_ns == stamp
    for part in (b"", whole[:50], whole[: len(whole) // 2], b"x" * 500):
        path.write_bytes(part)
        assert not has_peaks(film) and read_peaks(film, 0, 1, 10) is None
    make_peaks(film, told())
    assert path.read_bytes() == whole


def test_an_application_that_ends_does_not_wait_for_it(film: Film) -> None:
    ended = threading.Event()
    ended.set()
    with pytest.raises(CancelledError):
        make_peaks(film, Progress(ended))
    assert not list(cache_folder(film).iterdir())


def test_sound_that_cannot_be_decoded_is_a_sentence(film: Film) -> None:
    film.video.path.write_bytes(b"no video" * 100)
    with pytest.raises(ToolError, match=r"a\.mp4"):
        make_peaks(film, told())


def test_a_video_that_was_replaced_meanwhile_is_not_taken_for_the_one_that_was_measured(film: Film) -> None:
    os.utime(film.video.path, (1, 1))
    with pytest.raises(NotMeasured, match="has changed"):
        make_peaks(film, told())
    assert not has_peaks(film)


def test_a_curve_that_cannot_be_written_is_a_sentence(film: Film) -> None:
    (cache_folder(film) / "peaks.npy").mkdir()
    with pytest.raises(WorkflowError, match="cannot be kept: Is a directory"):
        make_peaks(film, told())
    assert [path.name for path in cache_folder(film).iterdir()] == ["peaks.npy"]


def test_names_that_are_no_utf_8_do_not_matter(data_folder: Path, finish: Any, film: Film) -> None:
    name = os.fsdecode(b"caf\xe9 \xff")
    folder = film.video.root.rename(film.video.root.with_name(name))
    moved = find_film(name, "a.mp4")
    make_peaks(moved, told())
    assert (folder / ".workflow" / "a" / "viewer" / f"media-{moved.version}" / "peaks.npy").is_file()


def test_a_video_whose_sound_ends_early_is_silent_from_there(film: Film) -> None:
    longer = dataclasses.replace(film, media=dataclasses.replace(film.media, frames=SECONDS * 25 + 50))
    make_peaks(longer, told())
    peaks = read_peaks(longer, SECONDS + 0.5, SECONDS + 2, 5)
    assert peaks is not None and not peaks.pairs.any()
