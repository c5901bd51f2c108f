"""Whatever comes in, what goes out is constant 25 fps, in time with its sound, upright, and the source is kept."""

from __future__ import annotations

import array
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from workflow_scripts.common import ffmpeg
from workflow_scripts.common.ffmpeg import decode_pcm, decode_rgb24
from workflow_scripts.common.media import MediaInfo, probe, read_media
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.run import Outcome
from workflow_scripts.step2.plan import Untouched, plan

MakeMedia = Callable[..., Path]
Convert = Callable[..., dict[str, Outcome]]
SAMPLES = ROOT.parent / "shared" / "media"
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=30:d=1")
SOUND = ("-f", "lavfi", "-i", "sine=440:r=48000:d=1")
# White pictures and a beep of 0.2 s at 1, 5 and 9 s.
FLASH = (
    "color=black:s=32x32:r={rate}:d=10.5,drawbox=c=white:t=fill:w=32:h=32:enable='between(mod(t,4),0.999,1.199)'"
)
BEEP = "aevalsrc='0.8*sin(2000*PI*t)*between(mod(t,4),1,1.2)':s=48000:d=10.5"


def pictures(path: Path) -> NDArray[np.uint8]:
    frames = [np.frombuffer(f, np.uint8).reshape(16, 16, 3) for f in decode_rgb24(path, 16, 16)]
    return np.stack(frames)


def sound(path: Path) -> NDArray[np.int16]:
    return np.array(array.array("h", b"".join(decode_pcm(path))), np.int16)


def manifest(docs: Path, stem: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((docs.parent / ".workflow" / stem / "STEP2.json").read_text())
    return loaded


def assert_good(docs: Path, stem: str) -> MediaInfo:
    """The video is what every later step expects, for three decoders, and `media.json` says the truth."""
    path = docs / f"{stem}.mp4"
    info = probe(path)
    assert isinstance(plan(info, suffix="mp4", can_tone_map=True), Untouched)
    assert read_media(docs.parent / ".workflow" / stem / "media.json") == info
    assert sum(1 for _ in decode_rgb24(path, 16, 16)) == info.frames
    capture, count = cv2.VideoCapture(str(path)), 0
    while capture.grab():
        count += 1
    assert count == info.frames
    assert all(gate["passed"] in (True, None) for gate in manifest(docs, stem)["gates"])
    return info


def onsets(loud: NDArray[np.bool_], rate: float) -> list[float]:
    """Seconds at which something begins that was not there for half a second."""
    seconds = np.flatnonzero(loud) / rate
    begins = np.diff(seconds, prepend=-1) > 0.5
    return [float(second) for second in seconds[begins]]


def test_a_good_video_is_left_untouched_to_the_byte(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media(
        "p/docs/a.mp4", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1", *SOUND, "-pix_fmt", "yuv420p", "-shortest"
    )
    before = path.read_bytes()
    assert convert(path)["a.mp4"].state == "succeeded"
    assert path.read_bytes() == before
    assert not (path.parents[1] / "originals").exists()
    assert_good(path.parent, "a")


def test_a_suffix_in_capitals_is_spelled_small(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.MP4", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1", "-pix_fmt", "yuv420p")
    before = path.read_bytes()
    assert convert(path.parents[1])["a.MP4"].state == "succeeded"
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]
    assert path.with_suffix(".mp4").read_bytes() == before
    assert convert(path.parents[1])["a.mp4"].state == "up to date"


VARIANTS = {
    "24fps": ("-r", "24", "-pix_fmt", "yuv420p"),
    "10bit": ("-pix_fmt", "yuv420p10le"),
    "422": ("-pix_fmt", "yuv422p"),
    "444": ("-pix_fmt", "yuv444p"),
    "full": ("-pix_fmt", "yuvj420p", "-color_range", "pc"),
    "aspect": ("-vf", "setsar=4/3", "-pix_fmt", "yuv420p"),
    "long": ("-vf", "scale=70:30", "-pix_fmt", "yuv420p"),
}


@pytest.mark.parametrize(
    ("variant", "suffix"), [*zip(VARIANTS, ["mp4", "mkv", "mov", "mp4", "mkv", "mov", "mp4"], strict=True)]
)
def test_formats_become_the_one_format(variant: str, suffix: str, make_media: MakeMedia, convert: Convert) -> None:
    path = make_media(f"p/docs/a.{suffix}", *PICTURE, *SOUND, *VARIANTS[variant], "-shortest")
    before = path.read_bytes()
    assert convert(path)[path.name].state == "succeeded"
    info = assert_good(path.parent, "a")
    assert info.frames in (24, 25, 26)
    assert (path.parents[1] / "originals" / path.name).read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.avi", ("-c:v", "mpeg4", "-c:a", "mp3")),
        ("a.mpg", ("-c:v", "mpeg2video", "-c:a", "mp2", "-r", "25")),
        ("a.ts", ("-c:v", "mpeg2video", "-c:a", "mp2", "-r", "25")),
        ("a.flv", ("-c:v", "flv1", "-c:a", "mp3", "-ar", "44100")),
        ("a.wmv", ("-c:v", "wmv2", "-c:a", "wmav2")),
        ("a.webm", ("-c:v", "libvpx", "-c:a", "libopus", "-deadline", "realtime", "-cpu-used", "8")),
        ("a.m4v", ("-c:v", "mpeg4", "-c:a", "aac")),
        ("a.mxf", ("-c:v", "mpeg2video", "-r", "25", "-c:a", "pcm_s16le")),
    ],
)
def test_containers_become_the_one_container(
    name: str, arguments: tuple[str, ...], make_media: MakeMedia, convert: Convert
) -> None:
    path = make_media(f"p/docs/{name}", *PICTURE, *SOUND, *arguments)
    source = probe(path)
    assert convert(path)[name].state == "succeeded"
    info = assert_good(path.parent, "a")
    assert info.frames == pytest.approx(float(source.duration * 25), abs=0.51)
    assert info.has_sound


def test_variable_rate_keeps_cuts_and_length(make_media: MakeMedia, convert: Convert) -> None:
    colours = ["color=red:s=64x64:r=1:d=5", "color=green:s=64x64:r=60:d=3", "color=blue:s=64x64:r=1:d=5"]
    inputs = [word for colour in colours for word in ("-f", "lavfi", "-i", colour)]
    for suffix in ("mkv", "mp4"):
        path = make_media(
            f"{suffix}/docs/a.{suffix}", *inputs, "-filter_complex", "concat=n=3", "-fps_mode", "passthrough",
            "-enc_time_base", "1/90000", "-pix_fmt", "yuv420p",
        )  # fmt: skip
        assert probe(path).variable_frame_rate
        assert convert(path)[path.name].state == "succeeded"
        assert abs(assert_good(path.parent, "a").frames - 13 * 25) <= 1
        main = pictures(path.with_suffix(".mp4"))[:, 8, 8].argmax(axis=1)
        cuts = np.flatnonzero(np.diff(main)) + 1
        assert len(cuts) == 2
        assert np.abs(cuts / 25 - [5, 8]).max() <= 0.04


@pytest.mark.parametrize(
    ("rate", "picture_late", "sound_late"),
    [
        ("25", "0", "0"),
        ("30", "0", "0.3"),
        ("24000/1001", "0.5", "0"),
        ("50", "1.3", "1.0"),
        ("30", "0", "-0.25"),
    ],
)
def test_sound_stays_with_the_picture_from_start_to_end(
    rate: str, picture_late: str, sound_late: str, make_media: MakeMedia, convert: Convert
) -> None:
    path = make_media(
        "p/docs/a.mkv", "-itsoffset", picture_late, "-f", "lavfi", "-i", FLASH.format(rate=rate),
        "-itsoffset", sound_late, "-f", "lavfi", "-i", BEEP, "-c:a", "flac", "-c:v", "mpeg4", "-q:v", "3",
        "-avoid_negative_ts", "disabled",
    )  # fmt: skip
    assert convert(path)["a.mkv"].state == "succeeded"
    assert_good(path.parent, "a")
    result = path.with_suffix(".mp4")
    flashes = onsets(pictures(result)[:, 8, 8, 0] > 128, 25)
    beeps = onsets(np.abs(sound(result).astype(int)) > 3000, 16000)
    assert len(flashes) == len(beeps) == 3
    apart = float(sound_late) - float(picture_late)
    assert np.abs(np.array(flashes) - [1, 5, 9]).max() <= 0.04
    assert np.abs(np.array(beeps) - np.array(flashes) - apart).max() <= 0.04
    assert len(sound(result)) / 16000 == pytest.approx(10.5, abs=0.06)


def test_a_hole_in_the_sound_does_not_move_what_follows(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media(
        "p/docs/a.mkv", "-f", "lavfi", "-i", FLASH.format(rate=30), "-f", "lavfi", "-i", BEEP, "-c:a", "pcm_s16le",
        "-af", "aselect='not(between(t,2,2.05)+between(t,6,7.3))'", "-pix_fmt", "yuv420p",
    )  # fmt: skip
    assert convert(path)["a.mkv"].state == "succeeded"
    beeps = onsets(np.abs(sound(path.with_suffix(".mp4")).astype(int)) > 3000, 16000)
    assert np.abs(np.array(beeps) - [1, 5, 9]).max() <= 0.03


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(degrees: int, make_media: MakeMedia, convert: Convert) -> None:
    # upright the picture is blue above red; it is stored turned the other way
    turn = {90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}[degrees]
    upright = "color=red:s=64x96:r=30:d=0.5,drawbox=c=blue:w=64:h=48:t=fill"
    plain = make_media("plain.mp4", "-f", "lavfi", "-i", f"{upright},{turn}", "-pix_fmt", "yuv420p")
    path = make_media("p/docs/a.mov", "-display_rotation", str(-degrees), "-i", str(plain), "-c", "copy")
    convert(path)
    info = assert_good(path.parent, "a")
    assert (info.width, info.height, info.rotation) == (64, 96, 0)
    frame = pictures(path.with_suffix(".mp4"))[0]
    assert frame[2, 8].argmax() == 2 and frame[13, 8].argmax() == 0


def test_interlaced_lines_are_gone(make_media: MakeMedia, convert: Convert) -> None:
    # a white bar moves 8 pixels between the two fields of a picture: combs, unless they are removed
    moving = "color=black:s=128x64:r=50:d=1[b];color=white:s=16x64:r=50:d=1[w];[b][w]overlay=x='mod(n*8,112)':y=0"
    path = make_media(
        "p/docs/a.mpg", "-filter_complex", f"{moving},interlace=scan=tff:lowpass=0", "-c:v", "mpeg2video",
        "-flags", "+ildct+ilme", "-q:v", "2",
    )  # fmt: skip

    def combs(file: Path) -> float:
        frames = [np.frombuffer(f, np.uint8).reshape(64, 128, 3) for f in decode_rgb24(file, 128, 64)]
        lines = np.stack(frames)[5:20, ..., 1].astype(float)
        return float(np.abs(lines[:, 2:] - 2 * lines[:, 1:-1] + lines[:, :-2]).mean())

    before = combs(path)
    convert(path)
    info = assert_good(path.parent, "a")
    assert not info.interlaced
    assert combs(path.with_suffix(".mp4")) < before / 4


def test_of_several_tracks_one_is_kept_and_the_rest_named(make_media: MakeMedia, convert: Convert) -> None:
    high = ("-f", "lavfi", "-i", "sine=4000:r=48000:d=1")
    path = make_media(
        "p/docs/a.mkv", *PICTURE, *SOUND, *high, "-map", "0", "-map", "1", "-map", "2", "-metadata:s:a:1",
        "language=fra", "-disposition:a:0", "0", "-disposition:a:1", "default",
    )  # fmt: skip
    convert(path)
    assert len(assert_good(path.parent, "a").audio) == 1
    spectrum = np.abs(np.fft.rfft(sound(path.with_suffix(".mp4")).astype(float)[:16000]))
    assert spectrum.argmax() == pytest.approx(4000, abs=20)
    warnings = manifest(path.parent, "a")["warnings"]
    assert any("kept is track 2" in text and "track 1" in text for text in warnings)


def test_without_sound_there_is_no_sound_track(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mkv", *PICTURE)
    convert(path)
    assert assert_good(path.parent, "a").audio == ()


def test_sound_alone_is_refused_and_stays_where_it_is(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mp4", *SOUND)
    outcome = convert(path)["a.mp4"]
    assert outcome.state == "failed"
    assert outcome.message == "a.mp4: holds sound but no picture."
    assert path.is_file() and not (path.parents[1] / "originals").exists()


def test_damaged_sound_is_cut_out_and_said(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mkv", *PICTURE, *SOUND, "-c:a", "aac")
    data = bytearray(path.read_bytes())
    for place in range(len(data) // 3, len(data) * 2 // 3, 97):
        data[place] ^= 0xFF
    path.write_bytes(data)
    outcome = convert(path)["a.mkv"]
    assert outcome.state in ("succeeded", "degraded", "failed")
    if outcome.state == "failed":
        assert path.read_bytes() == bytes(data)
    else:
        assert isinstance(plan(probe(path.with_suffix(".mp4")), suffix="mp4", can_tone_map=True), Untouched)


def test_a_thousand_frames_a_second_become_twenty_five(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mkv", "-f", "lavfi", "-i", "testsrc=s=32x32:r=1000:d=1", "-preset", "ultrafast")
    convert(path)
    assert assert_good(path.parent, "a").frames == 25


def test_a_change_of_size_in_the_middle_keeps_length_and_size(make_media: MakeMedia, convert: Convert) -> None:
    one = make_media("1.ts", "-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1", "-c:v", "mpeg2video")
    two = make_media("2.ts", "-f", "lavfi", "-i", "testsrc=s=96x64:r=25:d=1", "-c:v", "mpeg2video")
    path = one.with_name("p") / "docs" / "a.ts"
    path.parent.mkdir(parents=True)
    path.write_bytes(one.read_bytes() + two.read_bytes())
    outcome = convert(path)["a.ts"]
    assert outcome.state == "succeeded", outcome.message
    info = assert_good(path.parent, "a")
    assert (info.width, info.height) == (64, 48)
    assert abs(info.frames - 50) <= 1
    assert any("jumps" in text for text in manifest(path.parent, "a")["warnings"])


def test_no_space_left_is_one_sentence_and_leaves_nothing(
    make_media: MakeMedia, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_media("p/docs/a.mkv", *PICTURE)
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs a device that is always full")
    monkeypatch.setattr("workflow_scripts.step2.convert_videos.temporary_path", lambda *_: full)
    monkeypatch.setattr(Path, "unlink", lambda *_args, **_options: None)
    outcome = convert(path)["a.mkv"]
    assert outcome.state == "failed"
    assert outcome.message == "a.mkv: there is no space left on the disk for the result."
    assert [p.name for p in path.parent.iterdir()] == ["a.mkv"]


def test_a_failed_check_leaves_the_source_in_place(
    make_media: MakeMedia, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_media("p/docs/a.mkv", *PICTURE)
    from workflow_scripts.step2 import convert_videos

    real = ffmpeg.conversion_command

    def short(work: Any) -> list[str]:  # as if ffmpeg had lost pictures
        command = real(work)
        place = command.index("-filter_complex") + 1
        command[place] = command[place].replace("end_frame=25", "end_frame=20")
        return command

    monkeypatch.setattr(convert_videos, "conversion_command", short)
    outcome = convert(path)["a.mkv"]
    assert outcome.state == "failed"
    assert "holds 20 pictures instead of 25" in outcome.message
    assert [p.name for p in path.parent.iterdir()] == ["a.mkv"]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="needs the real videos")
@pytest.mark.parametrize(
    ("name", "frames", "size"),
    [
        ("dec_unordered.mov", 3, (50, 50)),
        ("dec_video_90.mov", 3, (320, 568)),
        ("exo_dolbyVision-hdr.MOV", 3, (720, 1280)),
        ("exo_sample.flv", 25, (1080, 720)),
        ("exo_sample.avi", 102, (960, 400)),
        ("exo_sample_sef_slow_motion.mp4", 53, (320, 240)),
        ("tc_av1_video.mkv", 125, (640, 360)),
        ("tc_bt2020_10bit.mp4", 50, (320, 240)),
        ("tc_discard_first_keyframe.mp4", 25, (64, 64)),
        ("vr_face1.mp4", 153, (700, 700)),
        ("ae_SAR-2by3.mp4", 50, (640, 540)),
        ("grid_sbia1a.mpg", 75, (360, 288)),
    ],
)
def test_real_videos_come_out_right(
    name: str, frames: int, size: tuple[int, int], tmp_path: Path, convert: Convert
) -> None:
    docs = tmp_path / "p" / "docs"
    docs.mkdir(parents=True)
    (docs / name).write_bytes((SAMPLES / name).read_bytes())
    assert convert(docs)[name].state == "succeeded"
    info = assert_good(docs, Path(name).stem)
    assert (info.frames, (info.width, info.height)) == (frames, size)
