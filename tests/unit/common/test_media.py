"""A video is measured by decoding it; what is no video is refused with a sentence."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from workflow_scripts.common import media
from workflow_scripts.common.errors import ArtifactError, RefusedError
from workflow_scripts.common.manifest import sha256_of
from workflow_scripts.common.media import MediaInfo, probe, read_media, write_media
from workflow_scripts.common.paths import ROOT

MakeMedia = Callable[..., Path]
SAMPLES = ROOT.parent / "shared" / "media"
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1")
SOUND = ("-f", "lavfi", "-i", "sine=440:r=16000:d=1")
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the real videos")


def test_a_plain_video_is_measured(make_media: MakeMedia) -> None:
    path = make_media("a.mp4", *PICTURE, *SOUND, "-pix_fmt", "yuv420p", "-shortest")
    info = probe(path)
    assert (info.name, info.size, info.sha256) == ("a.mp4", path.stat().st_size, sha256_of(path))
    assert (info.codec, info.pix_fmt, info.bit_depth, info.width, info.height) == ("h264", "yuv420p", 8, 64, 48)
    assert (info.frames, info.start) == (25, Fraction(0))
    assert (info.fps, info.duration) == (Fraction(25), Fraction(1))
    assert not info.variable_frame_rate and not info.interlaced and info.rotation == 0
    assert [(t.codec, t.rate, t.channels, t.start, t.decodable) for t in info.audio] == [
        ("aac", 16000, 1, Fraction(0), True)
    ]
    assert float(info.audio[0].end) == pytest.approx(1, abs=0.07)
    assert info.has_sound


def test_what_was_measured_survives_the_file_it_is_stored_in(make_media: MakeMedia, tmp_path: Path) -> None:
    info = probe(make_media("a.mkv", *PICTURE, *SOUND, "-metadata:s:a", "language=fra"))
    path = tmp_path / ".workflow" / "a" / "media.json"
    write_media(path, info)
    assert read_media(path) == info
    assert info.audio[0].language == "fre" or info.audio[0].language == "fra"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"generation": 99}', '{"generation": 1, "name": "x"}'])
def test_a_damaged_media_json_is_an_artifact_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "media.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=r"media\.json"):
        read_media(path)


def test_interlaced_is_seen(make_media: MakeMedia) -> None:
    path = make_media("i.mpg", *PICTURE, "-vf", "setfield=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme")
    assert probe(path).interlaced


def test_pixel_aspect_grows_the_shorter_side(make_media: MakeMedia) -> None:
    wide = probe(make_media("w.mp4", *PICTURE, "-vf", "setsar=4/3"))
    tall = probe(make_media("t.mp4", *PICTURE, "-vf", "setsar=2/3"))
    assert (wide.pixel_aspect, wide.display_width, wide.display_height) == (Fraction(4, 3), 85, 48)
    assert (tall.pixel_aspect, tall.display_width, tall.display_height) == (Fraction(2, 3), 64, 72)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_clockwise_degrees_to_upright(make_media: MakeMedia, degrees: int) -> None:
    plain = make_media("p.mp4", *PICTURE, "-pix_fmt", "yuv420p")
    # ffmpeg counts counter-clockwise
    turned = make_media("r.mp4", "-display_rotation", str(-degrees), "-i", str(plain), "-c", "copy")
    info = probe(turned)
    assert info.rotation == degrees
    assert (info.display_width, info.display_height) == ((48, 64) if degrees != 180 else (64, 48))
    assert not info.mirrored


def test_a_mirrored_picture_is_seen(make_media: MakeMedia) -> None:
    plain = make_media("p.mp4", *PICTURE, "-pix_fmt", "yuv420p")
    assert probe(make_media("m.mp4", "-display_hflip", "-i", str(plain), "-c", "copy")).mirrored


def test_late_sound_and_several_tracks_are_told_apart(make_media: MakeMedia) -> None:
    inputs = (*PICTURE, "-itsoffset", "0.3", *SOUND, *SOUND, "-map", "0", "-map", "1", "-map", "2")
    path = make_media("a.mkv", *inputs, "-c:a", "flac", "-disposition:a:1", "default")
    info = probe(path)
    assert [float(t.start) for t in info.audio] == pytest.approx([0.3, 0], abs=0.002)
    assert [t.default for t in info.audio][1]
    assert info.audio[0].index == 1


def test_a_cover_picture_is_not_the_video(make_media: MakeMedia) -> None:
    cover = make_media("c.png", "-f", "lavfi", "-i", "color=red:s=320x320", "-frames:v", "1")
    inputs = (*PICTURE, "-i", str(cover), "-map", "1", "-map", "0", "-c:v:0", "png")
    info = probe(make_media("a.mp4", *inputs, "-disposition:v:0", "attached_pic"))
    assert (info.video_streams, info.cover_pictures, info.frames) == (1, 1, 25)
    assert info.width == 64


def test_variable_rate_is_seen_and_its_pictures_counted(make_media: MakeMedia) -> None:
    path = make_media("v.mkv", *PICTURE, "-vf", "select=not(mod(n\\,7))+not(mod(n\\,3))", "-fps_mode", "vfr")
    info = probe(path)
    assert info.variable_frame_rate
    assert info.frames == len([n for n in range(25) if n % 7 == 0 or n % 3 == 0])


def test_progress_counts_pictures(make_media: MakeMedia) -> None:
    seen: list[int] = []
    probe(make_media("a.mp4", *PICTURE), progress=seen.append)
    assert seen == sorted(seen) and seen[-1] >= 24


def test_a_playlist_is_refused_even_where_its_video_exists(make_media: MakeMedia) -> None:
    target = make_media("real.mp4", *PICTURE)
    for text in (f"ffconcat version 1.0\nfile '{target}'\n", f"#EXTM3U\n{target}\n", "v=0\nm=video 1 RTP/AVP 96\n"):
        path = target.with_name("list.mp4")
        path.write_text(text)
        with pytest.raises(RefusedError, match=r"list\.mp4: is a playlist"):
            probe(path)


def test_hostile_formats_are_refused_by_the_opener_too(
    make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "_PLAYLISTS", (b"nothing begins so",))
    target = make_media("real.mp4", *PICTURE)
    path = target.with_name("list.mp4")
    path.write_text(f"ffconcat version 1.0\nfile '{target}'\n")
    with pytest.raises(RefusedError, match="cannot be read as a video"):
        probe(path)


@pytest.mark.parametrize("content", [b"", b"\x00" * 5000, b"hello world, this is text\n" * 50, os.urandom(20000)])
def test_what_is_no_media_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=r"x\.mp4"):
        probe(path)


def test_a_file_cut_off_before_its_index_is_refused(make_media: MakeMedia) -> None:
    path = make_media("a.mp4", *PICTURE)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(RefusedError, match="damaged, cut off, or no video"):
        probe(path)


def test_a_file_cut_off_later_is_measured_up_to_there(make_media: MakeMedia) -> None:
    path = make_media("a.mkv", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=4", "-g", "5")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert 20 < probe(path).frames < 100


def test_sound_alone_is_refused(make_media: MakeMedia) -> None:
    for name in ("a.mp4", "b.mkv"):
        with pytest.raises(RefusedError, match="holds sound but no picture"):
            probe(make_media(name, *SOUND))


def test_sound_with_a_cover_is_sound_alone(make_media: MakeMedia) -> None:
    cover = ("-f", "lavfi", "-i", "color=red:s=64x64:d=0.04")
    path = make_media("a.mp4", *SOUND, *cover, "-c:v", "png", "-frames:v", "1", "-disposition:v", "attached_pic")
    with pytest.raises(RefusedError, match="no picture"):
        probe(path)


def test_one_by_one_pixels_are_refused(make_media: MakeMedia) -> None:
    path = make_media(
        "a.mkv", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=0.2", "-vf", "scale=1:1", "-c:v", "ffv1"
    )
    with pytest.raises(RefusedError, match="1x1 pixels is smaller"):
        probe(path)


def test_a_huge_picture_is_refused_before_it_is_decoded(
    make_media: MakeMedia, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_media("a.mp4", *PICTURE)
    monkeypatch.setattr(media, "MAX_SIDE", 60)
    monkeypatch.setattr(media, "_decode_all", lambda *_: pytest.fail("was decoded"))
    with pytest.raises(RefusedError, match="64x48 pixels is larger"):
        probe(path)


def test_a_thousand_frames_a_second_are_measured(make_media: MakeMedia) -> None:
    info = probe(make_media("a.mkv", "-f", "lavfi", "-i", "testsrc=s=32x32:r=1000:d=1", "-preset", "ultrafast"))
    assert (info.fps, info.frames) == (Fraction(1000), 1000)


def test_a_hundred_sound_tracks_are_refused(make_media: MakeMedia) -> None:
    maps = [word for _ in range(100) for word in ("-map", "1")]
    path = make_media("a.mkv", *PICTURE, *SOUND, "-map", "0", *maps, "-c:a", "pcm_s16le", "-t", "0.1")
    with pytest.raises(RefusedError, match="100 sound tracks"):
        probe(path)


def test_eight_hours_declared_and_one_second_real_is_refused(make_media: MakeMedia) -> None:
    path = make_media("a.mkv", *PICTURE)
    data = bytearray(path.read_bytes())
    place = data.index(b"\x44\x89\x88")  # Matroska: Duration, 8 bytes
    data[place + 3 : place + 11] = struct.pack(">d", 8 * 3600 * 1000.0)
    path.write_bytes(data)
    with pytest.raises(RefusedError, match=r"says it is 8:00:00\.0 long but holds 0:00:01\.0"):
        probe(path)


def test_a_picture_that_stands_for_hours_is_refused(make_media: MakeMedia) -> None:
    path = make_media("a.mkv", *PICTURE, "-vf", "setpts=N*28800/TB", "-frames:v", "2", "-fps_mode", "passthrough")
    with pytest.raises(RefusedError, match="stands still for"):
        probe(path)


def test_measuring_has_a_time_limit(make_media: MakeMedia) -> None:
    with pytest.raises(RefusedError, match="took more than 0 s"):
        probe(make_media("a.mp4", *PICTURE), time_limit_s=0)


def test_a_name_that_is_no_utf8_and_a_folder_are_refused(make_media: MakeMedia) -> None:
    path = make_media("a.mp4", *PICTURE)
    odd = path.rename(path.with_name(os.fsdecode(b"\xff.mp4")))
    with pytest.raises(RefusedError, match="not valid UTF-8"):
        probe(odd)
    with pytest.raises(RefusedError, match="not a file"):
        probe(path.parent)


@needs_samples
@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("dec_video_90.mov", {"rotation": 90, "frames": 3, "fps": Fraction(30)}),
        ("exo_dolbyVision-hdr.MOV", {"rotation": 90, "bit_depth": 10, "display_width": 720}),
        ("ae_h264-png.mp4", {"cover_pictures": 1, "video_streams": 1, "fps": Fraction(30)}),
        ("exo_sample.flv", {"fps": Fraction(30), "frames": 30, "start": Fraction("0.067")}),
        ("exo_sample_sef_slow_motion.mp4", {"video_index": 1, "frames": 63, "duration": Fraction("2.1")}),
        ("vr_face1.mp4", {"variable_frame_rate": True, "frames": 135}),
        ("tc_discard_first_keyframe.mp4", {"frames": 25, "fps": Fraction(25), "start": Fraction(0)}),
        ("tc_nasa_13013_mkv_duration_tag.mkv", {"fps": Fraction(30000, 1001), "frames": 390}),
        ("ae_SAR-2by3.mp4", {"pixel_aspect": Fraction(2, 3), "display_height": 540}),
    ],
)
def test_real_files_are_measured_right(name: str, facts: dict[str, object]) -> None:
    info: MediaInfo = probe(SAMPLES / name)
    assert {key: getattr(info, key) for key in facts} == facts


@needs_samples
def test_high_dynamic_range_is_seen() -> None:
    assert probe(SAMPLES / "tc_bt2020_10bit.mp4").colour.hdr
    assert not probe(SAMPLES / "fn_video.mp4").colour.hdr
