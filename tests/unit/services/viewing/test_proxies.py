"""Proxies: frame n of one is frame n of the video, or there is none."""

from __future__ import annotations

import dataclasses
import os
import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from services.viewing.jobs import Progress
from services.viewing.playable import Film, NotMeasured, find_film
from services.viewing.playable_cache import cache_folder
from services.viewing.proxies import find_proxy, make_proxy, proxy_size
from workflow_scripts.common.atomic import temporary_path
from workflow_scripts.common.errors import CancelledError, ClockError, ToolError, WorkflowError
from workflow_scripts.common.ffmpeg import decode_pcm
from workflow_scripts.common.media import probe
from workflow_scripts.common.media_info import write_media


def told() -> Progress:
    """What a build tells how far it is."""
    return Progress(threading.Event())


def brightness(path: Any) -> list[tuple[float, float]]:
    """When each picture is shown, and how bright it is."""
    with av.open(str(path)) as container:
        return [(round(f.time or 0, 6), float(f.to_ndarray().mean())) for f in container.decode(video=0)]


@pytest.mark.parametrize("sizes", [(1280, 720), (320, 240), (4096, 2160), (2160, 3840), (1998, 1080), (720, 1280)])
def test_a_proxy_is_even_small_and_of_the_same_aspect(sizes: tuple[int, int]) -> None:
    width, height = proxy_size(*sizes)
    assert width % 2 == height % 2 == 0
    assert max(width, height) <= 1280 and min(width, height) <= 720 and width <= sizes[0]
    assert abs(width / height / (sizes[0] / sizes[1]) - 1) < 0.005


def test_every_frame_of_a_proxy_is_that_of_the_video_at_its_time(make_film: Any) -> None:
    make_film("P", "a.mp4", 31, 1, 2, 47, 3)
    film = find_film("P", "a.mp4")
    progress = told()
    assert find_proxy(film) is None
    make_proxy(film, progress)
    made, source = brightness(find_proxy(film)), brightness(film.video.path)
    assert [time for time, _ in made] == [n / 25 for n in range(84)] == [time for time, _ in source]
    assert np.allclose([value for _, value in made], [value for _, value in source], atol=3)
    assert progress.share > 0


def test_a_proxy_of_any_name_can_be_made(make_film: Any) -> None:
    name = os.fsdecode(b"caf\xe9 \xff")
    video = make_film("P", " 100%25 'a' \n.mp4", 12)
    video.root.rename(video.root.with_name(name))
    film = find_film(name, video.name)
    make_proxy(film, told())
    assert [path.name for path in cache_folder(film).iterdir()] == ["proxy.mp4"]


def test_a_proxy_sounds_when_the_video_does(make_film: Any, finish: Any) -> None:
    video = make_film("P", "a.mp4", 50)
    add_click(video.path)
    write_media(video.workflow / "media.json", probe(video.path))
    finish(video, "STEP2", {"video": video.path})
    film = find_film("P", "a.mp4")
    assert film.media.has_sound
    make_proxy(film, told())
    for path in (film.video.path, find_proxy(film)):
        assert path is not None
        wave = np.frombuffer(b"".join(decode_pcm(path, samples=32000)), "<i2")
        assert abs(int(np.abs(wave.astype(int)).argmax()) / 16000 - 1) < 0.005


def add_click(path: Path) -> None:
    """Give a video of two seconds silent sound with a click after the first second."""
    wave = np.zeros((1, 2 * 48000), np.float32)
    wave[0, 48000:48048] = 0.9
    silent = path.rename(path.with_suffix(".silent"))
    with av.open(str(silent)) as source, av.open(str(path), "w") as container:
        picture = container.add_stream_from_template(source.streams.video[0])
        sound: Any = container.add_stream("aac", rate=48000, layout="mono")
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = picture
                container.mux(packet)
        for start in range(0, wave.shape[1], 1024):
            samples = av.AudioFrame.from_ndarray(wave[:, start : start + 1024], "fltp", "mono")
            samples.sample_rate, samples.pts = 48000, start
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    silent.unlink()


def test_a_proxy_is_made_once(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film = find_film("P", "a.mp4")
    make_proxy(film, told())
    path = cache_folder(film) / "proxy.mp4"
    before = path.stat().st_mtime_ns
    make_proxy(film, told())
    assert path.stat().st_mtime_ns == before


def test_a_proxy_with_other_frames_than_the_video_is_never_shown(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film = find_film("P", "a.mp4")
    wrong = dataclasses.replace(film, media=dataclasses.replace(film.media, frames=13))
    with pytest.raises(ClockError, match="12 frames instead of 13"):
        make_proxy(wrong, told())
    assert not list(cache_folder(film).iterdir())


def test_what_a_killed_process_left_is_not_shown_and_goes(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film = find_film("P", "a.mp4")
    left = temporary_path(cache_folder(film) / "proxy.mp4", ".mp4")
    dead = left.with_name(left.name.replace(f"-{os.getpid()}-", "-4194303-"))
    dead.write_bytes(b"half a video")
    assert find_proxy(film) is None
    make_proxy(film, told())
    assert [path.name for path in cache_folder(film).iterdir()] == ["proxy.mp4"]


def test_an_application_that_ends_does_not_wait_for_it(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film = find_film("P", "a.mp4")
    ended = threading.Event()
    ended.set()
    with pytest.raises(CancelledError):
        make_proxy(film, Progress(ended))
    assert not list(cache_folder(film).iterdir())


def test_a_video_that_cannot_be_decoded_is_a_sentence(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film: Film = find_film("P", "a.mp4")
    film.video.path.write_bytes(b"no video" * 100)
    with pytest.raises(ToolError, match=r"a\.mp4"):
        make_proxy(film, told())
    assert not list(cache_folder(film).iterdir())


def test_a_video_that_was_replaced_meanwhile_is_not_taken_for_the_one_that_was_measured(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film = find_film("P", "a.mp4")
    os.utime(film.video.path, (1, 1))
    with pytest.raises(NotMeasured, match="has changed"):
        make_proxy(film, told())
    assert not list(cache_folder(film).iterdir())


def test_a_proxy_that_cannot_be_written_is_a_sentence(make_film: Any) -> None:
    make_film("P", "a.mp4", 12)
    film = find_film("P", "a.mp4")
    (cache_folder(film) / "proxy.mp4").mkdir()
    with pytest.raises(WorkflowError, match="cannot be kept"):
        make_proxy(film, told())
