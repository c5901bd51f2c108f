"""Thumbnails: exactly the frame asked for, whichever it is, whoever asks besides."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from services.projects import UnknownName
from services.viewing import thumbnails as module
from services.viewing.playable import Film, NotMeasured, find_film
from services.viewing.playable_cache import cache_folder
from services.viewing.thumbnails import Thumbnails
from services.viewing.thumbnails_decoding import FrameReader
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Video

MEDIA = ROOT.parent / "shared" / "media"
#: Every frame of it differs from every other.
FRAMES = 60


@pytest.fixture
def thumbnails() -> Iterator[Thumbnails]:
    """What makes them."""
    made = Thumbnails()
    yield made
    made.close()


@pytest.fixture
def film(data_folder: Path, make_converted: Any, finish: Any) -> Film:
    """A film whose frame n shows n in black and white, with B-frames and several keyframes."""
    return numbered(data_folder, finish)


def numbered(data_folder: Path, finish: Any, project: str = "P", frames: int = FRAMES, side: int = 96) -> Film:
    """Encode frames of eight stripes each, of which the bright ones are the bits of the frame's number."""
    from workflow_scripts.common.media import probe
    from workflow_scripts.common.media_info import write_media
    from workflow_scripts.common.projects import Project

    folder = data_folder / "projets_extraits" / project
    video = Video(Project(folder, folder / "docs"), "a.mp4")
    video.path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(f"file:{video.path}", "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, side, "yuv420p"
        stream.options = {"crf": "10", "preset": "medium", "g": "25", "bf": "3", "sc_threshold": "0"}
        for number in range(frames):
            bits = [(number >> bit & 1) * 200 + 25 for bit in range(8)]
            picture = np.repeat(np.repeat(np.array([bits], np.uint8), 16, 1), side, 0)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.stack([picture] * 3, -1), "rgb24")))
        container.mux(stream.encode(None))
    write_media(video.workflow / "media.json", probe(video.path))
    finish(video, "STEP2", {"video": video.path})
    return find_film(project, "a.mp4")


def number_in(jpeg: bytes | None) -> int:
    """The number that a thumbnail shows."""
    assert jpeg is not None
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    middles = picture[picture.shape[0] // 2, [round(picture.shape[1] * (n + 0.5) / 8) for n in range(8)]]
    return sum(int(value > 128) << bit for bit, value in enumerate(middles))


def test_every_frame_is_the_one_asked_for_in_any_order(thumbnails: Thumbnails, film: Film) -> None:
    order = [*range(FRAMES)]
    np.random.default_rng(1).shuffle(order)
    assert [number_in(thumbnails.get(film, frame, 48, 30)) for frame in order] == order


def test_every_frame_is_the_one_asked_for_when_all_are_asked_for_at_once(film: Film) -> None:
    thumbnails = Thumbnails(at_once=2)

    def ask(frame: int) -> int:
        while (found := thumbnails.get(film, frame, 48, 5)) is None:
            time.sleep(0.01)
        return number_in(found)

    with ThreadPoolExecutor(40) as pool:
        assert list(pool.map(ask, range(FRAMES))) == [*range(FRAMES)]
    thumbnails.close()


def test_a_batch_decodes_what_lies_together_at_once_and_in_any_height(film: Film) -> None:
    reader = FrameReader(film)
    assert reader.neighbours(30, [29, 31, 2, 59]) == [29, 30, 31]
    found = list(reader.read({31: [20], 24: [30, 60], 59: [20]}, threading.Event()))
    reader.close()
    assert [(frame, height) for frame, height, _ in found] == [(24, 30), (24, 60), (31, 20), (59, 20)]
    assert [number_in(picture) for *_, picture in found] == [24, 24, 31, 59]


def test_the_height_is_what_was_asked_for_and_the_aspect_that_of_the_video(
    thumbnails: Thumbnails, film: Film
) -> None:
    picture = cv2.imdecode(np.frombuffer(thumbnails.get(film, 3, 72, 30) or b"", np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (72, 96, 3)


def test_a_frame_beyond_the_end_is_unknown(thumbnails: Thumbnails, film: Film) -> None:
    for frame in (-1, FRAMES, 10**18):
        with pytest.raises(UnknownName, match=f"has {FRAMES}"):
            thumbnails.get(film, frame, 48)


def test_a_thumbnail_is_made_once(thumbnails: Thumbnails, film: Film) -> None:
    first = thumbnails.get(film, 5, 48, 30)
    (path,) = (cache_folder(film) / "thumbs").iterdir()
    assert path.read_bytes() == first
    film.video.path.rename(film.video.path.with_name("gone"))
    assert Thumbnails().get(film, 5, 48, 0) == first


def test_a_thumbnail_that_was_cut_off_is_made_again(thumbnails: Thumbnails, film: Film) -> None:
    whole = thumbnails.get(film, 5, 48, 30)
    (path,) = (cache_folder(film) / "thumbs").iterdir()
    path.write_bytes((whole or b"")[:100])
    assert thumbnails.get(film, 5, 48, 30) == whole


def test_the_oldest_go_when_there_are_too_many(film: Film) -> None:
    thumbnails = Thumbnails(kept=16)
    for frame in range(40):
        thumbnails.get(film, frame, 48, 30)
    thumbnails.close()
    left = sorted(int(path.name[:7]) for path in (cache_folder(film) / "thumbs").iterdir())
    assert len(left) <= 18 and left[-1] == 39


def test_where_nothing_can_be_written_thumbnails_come_all_the_same(thumbnails: Thumbnails, film: Film) -> None:
    (cache_folder(film) / "thumbs").write_text("in the way")
    first = thumbnails.get(film, 7, 48, 30)
    assert number_in(first) == 7
    assert thumbnails.get(film, 7, 48, 0) == first


def test_a_damaged_video_is_a_sentence_and_does_not_stop_the_others(
    thumbnails: Thumbnails, film: Film, data_folder: Path, finish: Any
) -> None:
    other = numbered(data_folder, finish, "Q")
    film.video.path.write_bytes(b"no video at all" * 100)
    with pytest.raises(WorkflowError, match=r"a\.mp4: cannot be read as a video"):
        thumbnails.get(film, 5, 48, 30)
    assert number_in(thumbnails.get(other, 9, 48, 30)) == 9


def test_a_video_that_was_replaced_meanwhile_is_not_taken_for_the_one_that_was_measured(
    thumbnails: Thumbnails, film: Film, data_folder: Path, finish: Any
) -> None:
    other = numbered(data_folder, finish, "Q", frames=70)
    film.video.path.write_bytes(other.video.path.read_bytes())
    with pytest.raises(NotMeasured, match="has changed"):
        thumbnails.get(film, 5, 48, 30)
    assert not (cache_folder(film) / "thumbs").exists()


def as_it_is(film: Film) -> Film:
    """The film, taken for what was measured whatever is in its file now."""
    stat = film.video.path.stat()
    return dataclasses.replace(film, stamp=(stat.st_ino, stat.st_size, stat.st_mtime_ns))


def test_a_frame_that_is_not_in_the_file_is_a_sentence(
    thumbnails: Thumbnails, film: Film, data_folder: Path, finish: Any
) -> None:
    short = numbered(data_folder, finish, "Q", frames=20)
    film.video.path.write_bytes(short.video.path.read_bytes())
    with pytest.raises(WorkflowError, match="frame 40 cannot be decoded"):
        thumbnails.get(as_it_is(film), 40, 48, 30)


def test_what_nobody_asks_for_any_more_is_not_made(
    thumbnails: Thumbnails, film: Film, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    assert thumbnails.get(film, 3, 48, 0.3) is None
    assert not (cache_folder(film) / "thumbs").exists()


def test_only_so_many_wait_and_the_others_are_told_at_once(film: Film) -> None:
    thumbnails = Thumbnails(at_once=0)
    with ThreadPoolExecutor(module.WAITING) as pool:
        waiting = [pool.submit(thumbnails.get, film, frame, 48, 2) for frame in range(module.WAITING)]
        while thumbnails._waiting._value:
            time.sleep(0.001)
        assert thumbnails.get(film, 50, 48, 3600) is None
        assert [one.result() for one in waiting] == [None] * module.WAITING


@pytest.mark.skipif(not MEDIA.is_dir(), reason="the shared media are not on this machine")
@pytest.mark.parametrize("name", ["fn_video.mp4", "exo_sample.mp4", "mpy_second_vid.mp4"])
def test_frames_of_real_videos_are_those_of_decoding_from_the_start(
    make_converted: Any, name: str, monkeypatch: Any
) -> None:
    from services.viewing.thumbnails_decoding import _jpeg
    from workflow_scripts.common.media import probe

    video = make_converted("P", "a.mp4")
    video.path.write_bytes((MEDIA / name).read_bytes())
    media = probe(video.path)
    film = as_it_is(Film(video, media, (0, 0, 0)))
    with av.open(str(video.path)) as container:
        truth = {n: _jpeg(picture, 60) for n, picture in enumerate(container.decode(video=0)) if n % 7 == 3}
    reader = FrameReader(film)
    found = {n: next(reader.read({n: [60]}, threading.Event()))[2] for n in reversed(truth)}
    reader.close()
    assert found == dict(reversed(truth.items()))
