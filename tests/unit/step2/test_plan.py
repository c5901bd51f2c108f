"""What becomes of a video follows from what was measured."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.common.ffmpeg import Filter
from workflow_scripts.common.media_info import AudioStream, Colour, MediaInfo
from workflow_scripts.step2.plan import Convert, Untouched, choose_sound, plan

SOUND = AudioStream(1, "aac", 48000, 2, Fraction(0), Fraction(4), True, "eng", "", 0)
GOOD = MediaInfo(
    name="x.mp4", size=1, sha256="", container="mov,mp4,m4a,3gp,3g2,mj2", codec="h264", pix_fmt="yuv420p",
    bit_depth=8, video_index=0, video_streams=1, cover_pictures=0, width=640, height=360, display_width=640,
    display_height=360, rotation=0, mirrored=False, pixel_aspect=Fraction(1), interlaced=False,
    colour=Colour("tv", "bt709", "bt709", "bt709"), fps=Fraction(25), variable_frame_rate=False, frames=100,
    start=Fraction(0), duration=Fraction(4), last_picture=Fraction(1, 25), jumps=0, decode_errors=0,
    container_start=Fraction(0), declared_duration=None, audio=(SOUND,),
)  # fmt: skip
PQ = Colour("tv", "bt2020nc", "bt2020", "smpte2084")


def decide(suffix: str = "mp4", tone: bool = True, **changes: Any) -> Untouched | Convert:
    return plan(replace(GOOD, **changes), suffix=suffix, can_tone_map=tone)


def converted(**changes: Any) -> Convert:
    decision = decide(**changes)
    assert isinstance(decision, Convert)
    return decision


def moved(filters: tuple[Filter, ...]) -> str:
    """By how much a chain of filters moves time stamps."""
    return next(str(dict(item.options)["expr"]) for item in filters if item.name in ("setpts", "asetpts"))


def names(work: Convert) -> list[str]:
    return [item.name for item in work.video_filters]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"suffix": "MP4"},
        {"audio": ()},
        {"audio": (replace(SOUND, codec="mp3"),)},
        {"audio": (replace(SOUND, start=Fraction(1, 25)),)},
        {"audio": (replace(SOUND, start=Fraction(-1, 30)),)},
    ],
)
def test_what_is_good_already_is_left_untouched(changes: dict[str, Any]) -> None:
    assert isinstance(decide(**changes), Untouched)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"variable_frame_rate": True, "fps": Fraction(227, 10)}, "variable frame rate, 22.7"),
        ({"fps": Fraction(24000, 1001)}, "23.976 frames a second"),
        ({"codec": "hevc"}, "codec hevc"),
        ({"pix_fmt": "yuv420p10le", "bit_depth": 10}, "yuv420p10le"),
        ({"pix_fmt": "yuvj420p"}, "yuvj420p"),
        ({"interlaced": True}, "interlaced"),
        ({"rotation": 90, "display_width": 360, "display_height": 640}, "rotated by 90"),
        ({"mirrored": True}, "mirrored"),
        ({"pixel_aspect": Fraction(4, 3), "display_width": 853}, "pixel aspect 4:3"),
        ({"width": 641, "display_width": 641}, "odd size 641x360"),
        ({"start": Fraction(1, 50)}, "picture starts at 0.020"),
        ({"audio": (replace(SOUND, start=Fraction(1, 20)),)}, "sound starts at +0.050"),
        ({"audio": (replace(SOUND, codec="opus"),)}, "sound codec opus"),
        ({"audio": (SOUND, replace(SOUND, index=2))}, "2 sound tracks"),
        ({"audio": (replace(SOUND, duration=Fraction(0)),)}, "does not decode"),
        ({"video_streams": 2}, "2 pictures"),
        ({"cover_pictures": 1}, "cover picture"),
        ({"container": "matroska,webm", "suffix": "mkv"}, "container mkv"),
        ({"container": "matroska,webm"}, "container mp4"),
        ({"suffix": "mov"}, "container mov"),
        ({"decode_errors": 3}, "3 damaged"),
        ({"jumps": 1}, "clock jumps"),
        ({"colour": PQ}, "high dynamic range"),
    ],
)
def test_each_flaw_alone_makes_a_conversion_and_is_the_only_reason(changes: dict[str, Any], reason: str) -> None:
    work = converted(**changes)
    assert len(work.reasons) == 1
    assert reason in work.reasons[0]


@pytest.mark.parametrize(
    ("duration", "frames"),
    [("4", 100), ("4.01", 100), ("4.02", 101), ("0.1", 3), ("0.001", 1), ("13.013", 325)],
)
def test_the_result_is_as_long_as_the_source_to_the_nearest_frame(duration: str, frames: int) -> None:
    assert converted(codec="hevc", duration=Fraction(duration)).frames == frames


def test_picture_and_sound_are_moved_by_the_same_start() -> None:
    sound = replace(SOUND, start=Fraction(0))
    work = converted(start=Fraction(64, 1000), audio=(sound,))
    assert moved(work.video_filters) == moved(work.sound_filters) == "PTS-5760"  # 0.064 s at 90 kHz


def test_a_broken_clock_is_left_to_ffmpeg() -> None:
    work = converted(jumps=2, start=Fraction(5), container_start=Fraction(9, 2), audio=(SOUND,))
    assert not work.keep_timestamps
    assert moved(work.video_filters) == moved(work.sound_filters) == "PTS-45000"
    assert any("jumps" in text for text in work.warnings)


def test_interlaced_becomes_progressive_before_the_rate_changes() -> None:
    work = converted(interlaced=True)
    assert names(work).index("bwdif") < names(work).index("fps")
    assert "bwdif" not in names(converted(codec="hevc"))


def test_tones_are_mapped_where_ffmpeg_can_and_said_where_it_cannot() -> None:
    assert "tonemap" in names(converted(colour=PQ))
    plain = converted(colour=PQ, tone=False)
    assert "tonemap" not in names(plain)
    assert any("high dynamic range" in text for text in plain.warnings)


@pytest.mark.parametrize(
    ("seen", "size"), [((853, 480), (854, 480)), ((360, 641), (360, 642)), ((50, 50), (50, 50))]
)
def test_the_size_is_that_seen_in_even_numbers(seen: tuple[int, int], size: tuple[int, int]) -> None:
    work = converted(codec="hevc", display_width=seen[0], display_height=seen[1])
    scale = dict(next(item for item in work.video_filters if item.name == "scale").options)
    assert (scale["w"], scale["h"]) == size


def test_an_absurd_pixel_aspect_is_refused() -> None:
    with pytest.raises(RefusedError, match="640000x360"):
        decide(pixel_aspect=Fraction(1000), display_width=640_000)


def test_the_default_sound_is_kept_and_the_others_are_named() -> None:
    first = replace(SOUND, index=1, default=False)
    second = replace(SOUND, index=2, language="fra", title="Commentaire")
    work = converted(audio=(first, replace(second, default=True)))
    assert work.sound is not None and work.sound.index == 2
    assert "track 2 (fra, Commentaire), left out: track 1 (eng)" in work.warnings[0]


def test_sound_that_does_not_decode_is_passed_over() -> None:
    broken = replace(SOUND, duration=Fraction(0))
    assert choose_sound((broken,)) is None
    assert choose_sound((broken, replace(SOUND, index=2, default=False))) == replace(SOUND, index=2, default=False)
    work = converted(audio=(broken,))
    assert work.sound is None and "left out" in work.warnings[0]


def test_damaged_sound_is_said_but_no_reason_to_convert() -> None:
    decision = decide(audio=(replace(SOUND, decode_errors=4),))
    assert isinstance(decision, Untouched)
    assert "4 pieces of its sound are damaged" in decision.warnings[0]


def test_sound_is_stereo_at_most_and_at_a_rate_players_know() -> None:
    work = converted(codec="hevc", audio=(replace(SOUND, rate=12000, channels=6),))
    assert (work.sound_rate, work.sound_channels) == (48000, 2)
    mono = converted(codec="hevc", audio=(replace(SOUND, rate=44100, channels=1),))
    assert (mono.sound_rate, mono.sound_channels) == (44100, 1)
