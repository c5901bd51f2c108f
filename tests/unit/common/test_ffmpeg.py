"""ffmpeg is built and started in one place, safely, and decodes without losing anything."""

from __future__ import annotations

import array
import ast
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from workflow_scripts.common import ffmpeg, ffmpeg_process
from workflow_scripts.common.errors import CancelledError, PreconditionError, RefusedError, ToolError
from workflow_scripts.common.ffmpeg import Conversion, Filter
from workflow_scripts.common.paths import ROOT

MakeMedia = Callable[..., Path]
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=1")
SOUND = ("-f", "lavfi", "-i", "sine=440:r=16000:d=1")
HOSTILE = [
    "-i.mp4", "-report.mp4", "a:b.mp4", "concat:x.mp4", "$(id).mp4", ";rm.mp4", "%03d.mp4", "*.mp4", "a\nb.mp4",
    "it's \"quoted\".mp4", "éà…’ .mp4", "pipe:.mp4", "file:x.mp4", "http:--x.mp4", "\u202egpj.mp4", "a|b,c;d'.mp4",
]  # fmt: skip


@pytest.fixture
def clip(make_media: MakeMedia) -> Path:
    return make_media("clip.mp4", *PICTURE, *SOUND, "-pix_fmt", "yuv420p", "-shortest")


def slow_command() -> list[str]:
    """A command that would run for a minute."""
    import ffmpeg as builder

    node = builder.input("testsrc=s=640x480:r=25", f="lavfi", re=None, t=60)
    return ffmpeg.command(builder.output(node, "pipe:1", format="null"), report_progress=True)


def children() -> list[psutil.Process]:
    """The ffmpegs that this process has begun and that still run."""
    found = [child for child in psutil.Process().children() if child.status() != "zombie"]
    return [child for child in found if "ffmpeg" in child.name()]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_nothing_but_a_name(clip: Path, name: str) -> None:
    path = clip.rename(clip.with_name(name))
    assert sum(1 for _ in ffmpeg.decode_rgb24(path, 16, 8)) == 25
    target = path.with_name(f"out {name}")
    work = Conversion(path, target, video=0, video_filters=(Filter.of("fps", fps=25),), preset="ultrafast")
    ffmpeg.run(ffmpeg.conversion_command(work), name)
    assert target.stat().st_size > 1000


def test_a_name_that_is_no_utf8_is_refused_with_a_sentence(clip: Path) -> None:
    path = clip.rename(clip.with_name(os.fsdecode(b"caf\xe9.mp4")))
    with pytest.raises(RefusedError, match=r"caf\\xe9\.mp4: its name is not valid UTF-8"):
        next(ffmpeg.decode_rgb24(path, 16, 8))


@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile 'clip.mp4'\n", "#EXTM3U\n#EXTINF:1,\nclip.mp4\n", "v=0\nm=video 1 RTP/AVP 96\n"],
)
def test_a_playlist_under_a_video_name_is_refused_by_ffmpeg(clip: Path, text: str) -> None:
    path = clip.with_name("list.mp4")
    path.write_text(text)
    with pytest.raises(ToolError, match=r"list\.mp4"):
        list(ffmpeg.decode_rgb24(path, 16, 8))


def test_every_command_carries_the_safety_options(tmp_path: Path) -> None:
    work = Conversion(tmp_path / "a.mp4", tmp_path / "b.mp4", video=0, video_filters=(), audio=1)
    arguments = ffmpeg.conversion_command(work)
    assert "-nostdin" in arguments and "-hide_banner" in arguments
    assert arguments[arguments.index("-protocol_whitelist") + 1] == "file,pipe"
    formats = arguments[arguments.index("-format_whitelist") + 1].split(",")
    assert not {"concat", "hls", "dash", "sdp", "rtsp", "image2", "lavfi", "applehttp"} & set(formats)
    assert all(Path(word.removeprefix("file:")).is_absolute() for word in arguments if word.startswith("file:"))
    assert sum(word.startswith("file:") for word in arguments) == 2


@pytest.mark.parametrize("value", ["a,b", "a:b", "x;y", "[0]", "a'b", "$(id)", "a b", ""])
def test_a_filter_takes_no_value_that_could_be_more_than_a_value(value: str) -> None:
    with pytest.raises(ValueError, match="plain value"):
        Filter.of("scale", w=value)


def test_rgb_frames_are_all_decoded_frames_of_a_variable_rate_file(make_media: MakeMedia) -> None:
    # pictures 0, 1, 2, … stand 1, 3, 1, 3 … frames: a constant rate would repeat some
    select = "select=not(eq(mod(n\\,4)\\,2)+eq(mod(n\\,4)\\,3))"
    path = make_media("vfr.mkv", *PICTURE, "-vf", select, "-fps_mode", "vfr")
    frames = list(ffmpeg.decode_rgb24(path, 48, 27))
    assert len(frames) == 13
    assert {len(frame) for frame in frames} == {48 * 27 * 3}


def test_rgb_frames_have_their_colours_and_rows_in_order(make_media: MakeMedia) -> None:
    halves = "color=red:s=64x64:r=25:d=0.2,drawbox=c=blue:w=64:h=32:t=fill"
    path = make_media("red.mp4", "-f", "lavfi", "-i", halves)
    frame = next(ffmpeg.decode_rgb24(path, 32, 32))
    top, bottom = frame[0:3], frame[-3:]
    assert top[2] > 200 and top[0] < 60
    assert bottom[0] > 200 and bottom[2] < 60


def test_leaving_early_ends_ffmpeg(make_media: MakeMedia) -> None:
    path = make_media("long.mp4", "-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=60", "-preset", "ultrafast")
    frames = ffmpeg.decode_rgb24(path, 320, 240)
    next(frames)
    assert children()
    frames.close()
    assert not children()


def pcm(pieces: Iterator[bytes]) -> array.array[int]:
    return array.array("h", b"".join(pieces))


def test_sound_is_mono_at_the_asked_rate_and_exactly_as_long_as_asked(clip: Path) -> None:
    assert len(pcm(ffmpeg.decode_pcm(clip))) == pytest.approx(16000, abs=700)
    assert len(pcm(ffmpeg.decode_pcm(clip, samples=16000))) == 16000
    assert len(pcm(ffmpeg.decode_pcm(clip, samples=40000))) == 40000
    assert len(pcm(ffmpeg.decode_pcm(clip, 8000, samples=4000))) == 4000


def test_stereo_becomes_mono_without_getting_louder(make_media: MakeMedia) -> None:
    tone = "aevalsrc=0.9*sin(880*PI*t)|0.9*sin(880*PI*t):s=16000:d=0.5"
    path = make_media("loud.wav", "-f", "lavfi", "-i", tone)
    assert max(pcm(ffmpeg.decode_pcm(path))) == pytest.approx(0.9 * 32768, rel=0.02)


def test_sound_that_starts_late_is_padded_and_sound_before_the_picture_cut(make_media: MakeMedia) -> None:
    late = make_media("late.mkv", *PICTURE, "-itsoffset", "0.5", *SOUND)
    samples = pcm(ffmpeg.decode_pcm(late))
    assert max(samples[:7900]) == 0 and max(samples[8100:9000]) > 1000
    assert len(samples) == pytest.approx(24000, abs=700)


def test_a_file_without_sound_gives_a_sentence_not_silence(make_media: MakeMedia) -> None:
    path = make_media("silent.mp4", *PICTURE)
    with pytest.raises(ToolError, match=r"silent\.mp4: ffmpeg failed"):
        list(ffmpeg.decode_pcm(path))


def test_progress_is_reported_and_moves(make_media: MakeMedia) -> None:
    path = make_media("src.mp4", "-f", "lavfi", "-i", "testsrc=s=320x240:r=25:d=8", "-preset", "ultrafast")
    seen: list[ffmpeg.Progress] = []
    work = Conversion(path, path.with_name("to.mp4"), video=0, video_filters=(), preset="ultrafast")
    ffmpeg.run(ffmpeg.conversion_command(work), "src.mp4", progress=seen.append)
    assert seen[-1].frames == 200
    assert seen[-1].size > 1000


def test_a_command_that_stands_still_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg_process, "_advance", lambda state, _lines: state)
    start = time.monotonic()
    with pytest.raises(ToolError, match="no progress"):
        ffmpeg.run(slow_command(), "x.mp4", stall_s=1)
    assert time.monotonic() - start < 10
    assert not children()


def test_cancelling_ends_a_command() -> None:
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(CancelledError):
        ffmpeg.run(slow_command(), "x.mp4", cancel=cancel)
    assert not children()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot tie a child to its parent")
def test_ffmpeg_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(f"from workflow_scripts.common import ffmpeg\nffmpeg.run({slow_command()!r}, 'x')\n")
    parent = subprocess.Popen([sys.executable, str(script)], cwd=ROOT)
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = [p for p in psutil.Process(parent.pid).children() if "-re" in p.cmdline()[:20]]
            if found and "ffmpeg" in found[0].name():
                break
            time.sleep(0.05)
        child = found[0]
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    _, alive = psutil.wait_procs([child], timeout=5)
    assert not alive


def test_no_space_left_is_said_in_plain_words() -> None:
    said = "[out#0/mp4 @ 0x55] Error writing trailer: No space left on device\nConversion failed!\n"
    assert ffmpeg_process.reason(228, said) == "there is no space left on the disk for the result"


def test_the_last_words_of_ffmpeg_become_the_reason() -> None:
    said = (
        "[mov @ 0x5] moov atom not found\n[in#0 @ 0x6] Error opening input: Invalid data\n"
        "Error opening input files: x\n"
    )
    assert "moov atom" in ffmpeg_process.reason(1, said) or "Invalid data" in ffmpeg_process.reason(1, said)
    assert "0x" not in ffmpeg_process.reason(1, said)
    assert "signal 9" in ffmpeg_process.reason(-9, "")


def test_the_setting_names_the_ffmpeg_and_a_wrong_one_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = ffmpeg.find_ffmpeg()
    other = tmp_path / "my ffmpeg"
    other.symlink_to(real)
    for value, fits in ((str(other), True), (str(tmp_path / "none"), False), (sys.executable, False)):
        ffmpeg.find_ffmpeg.cache_clear()
        monkeypatch.setenv(ffmpeg.SETTING, value)
        if fits:
            assert ffmpeg.find_ffmpeg() == other
        else:
            with pytest.raises(PreconditionError, match="WORKFLOW_FFMPEG"):
                ffmpeg.find_ffmpeg()
    ffmpeg.find_ffmpeg.cache_clear()


def test_an_old_ffmpeg_on_the_path_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    old = tmp_path / "ffmpeg"
    old.write_text("#!/bin/sh\necho 'ffmpeg version 4.4.2'\necho 'libavutil      56. 70.100 / 56. 70.100'\n")
    old.chmod(0o755)
    monkeypatch.delenv(ffmpeg.SETTING, raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    ffmpeg.find_ffmpeg.cache_clear()
    try:
        assert ffmpeg.find_ffmpeg() == Path(sys.prefix) / "bin" / "ffmpeg"
    except PreconditionError as error:  # an interpreter without an ffmpeg of its own
        assert "scripts/setup" in str(error)
    ffmpeg.find_ffmpeg.cache_clear()


def python_files() -> list[Path]:
    folders = [ROOT / name for name in ("cli", "services", "workflow_scripts", "routes", "debug", "scripts")]
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.rglob("*.py"))]


def starts_ffmpeg(tree: ast.AST) -> bool:
    """Whether a program starts a process whose arguments speak of ffmpeg, or imports ffmpeg-python."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "ffmpeg" for alias in node.names):
            return True
        if isinstance(node, ast.ImportFrom) and node.module == "ffmpeg":
            return True
        if isinstance(node, ast.Call) and re.search(
            r"\b(subprocess|os)\.(run|Popen|call|check_\w+|system|popen|exec\w+|spawn\w+|posix_spawn\w*)$|^Popen$",
            ast.unparse(node.func),
        ):
            words = ast.unparse(node)
            if re.search(r"ffmpeg|ffprobe", words, re.IGNORECASE):
                return True
    return False


def test_nothing_else_starts_ffmpeg() -> None:
    allowed = {ROOT / "workflow_scripts/common/ffmpeg.py", ROOT / "workflow_scripts/common/ffmpeg_process.py"}
    files = python_files()
    assert allowed <= set(files)
    guilty = [p for p in files if p not in allowed and starts_ffmpeg(ast.parse(p.read_text(encoding="utf-8")))]
    assert not guilty
    shell = [p for p in (ROOT / "scripts").iterdir() if p.is_file() and p.suffix == ""]
    lines = [line for p in shell for line in p.read_text(encoding="utf-8").splitlines()]
    assert not [line for line in lines if re.match(r"\s*(exec\s+)?\"?[\w$./{}]*ff(mpeg|probe)\"?\s+-", line)]


def test_the_search_for_other_starters_finds_them() -> None:
    assert starts_ffmpeg(ast.parse("import subprocess\nsubprocess.run(['ffmpeg', '-i', x])"))
    assert starts_ffmpeg(ast.parse("from ffmpeg import probe"))
    assert starts_ffmpeg(ast.parse("import os\nos.system(f'ffprobe {x}')"))
    assert not starts_ffmpeg(ast.parse("import subprocess\nsubprocess.run(['git', 'status'])"))
