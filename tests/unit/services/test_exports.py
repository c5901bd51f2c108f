"""The formats that shots are exported in: each is read back to the same frames, whatever the video is called."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import opentimelineio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.exports import FORMATS, ShotList, Sound
from services.exports.shot_list import frame_timecode
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.errors import VideoError
from workflow_scripts.common.timeline import Shot, Transition

FPS = Fraction(25)
HOUR = 3600 * 25
FOLDER = Path("/srv/Médias & <vidéos> 100%/docs")
NAMES = [
    "plain.mp4",
    "L’été à la plage.mp4",
    "cafe\u0301 (NFD).mp4",
    'l\'apostrophe "et" “guillemets”.mp4',
    "a & b <c> ]]> &amp;.mp4",
    "trailing space .mp4",
    "🎬 clap.mp4",
    f"{'x' * 149}.mp4",
    "-rf.mp4",
    "100% #1? %20.mp4",
    "* FROM CLIP NAME:  other, 001  AX V C.mp4",
]
CUTS = [
    pytest.param([], 1, id="one frame"),
    pytest.param([], 50, id="one shot"),
    pytest.param([1, 2, 3], 4, id="shots of one frame"),
    pytest.param([46, 47, 117], 135, id="several"),
    pytest.param([HOUR - 1, HOUR, HOUR + 1], 23 * HOUR, id="hours"),
    pytest.param(list(range(7, 70_000, 7)), 70_000, id="10,000 shots"),
]

Edges = list[tuple[int, int]]


def shot_list(
    cuts: list[int],
    frames: int,
    name: str = "x.mp4",
    fps: Fraction = FPS,
    sound: Sound | None = None,
    transitions: tuple[Transition, ...] = (),
) -> ShotList:
    """The shots between cuts of a video of 1280x720."""
    shots = tuple(Shot(start, end) for start, end in pairwise([0, *cuts, frames]))
    return ShotList(FOLDER / name, FrameClock(fps, frames), 1280, 720, shots, sound, transitions)


def edges(shots: ShotList) -> Edges:
    return [(shot.start, shot.end) for shot in shots.shots]


def render(form: str, shots: ShotList) -> str:
    return FORMATS[form].render(shots)


def range_of(clip: Any) -> tuple[int, int]:
    return int(clip.source_range.start_time.value), int(clip.source_range.end_time_exclusive().value)


def track_edges(track: Any) -> Edges:
    """The source ranges of a track's clips; fails unless they lie on the track where they lie in the source."""
    found = [range_of(clip) for clip in track]
    record = [
        (int(r.start_time.value), int(r.end_time_exclusive().value)) for r in track.range_of_all_children().values()
    ]
    assert sorted(record) == found
    return found


def read_edl(text: str, fps: Fraction = FPS) -> Edges:
    timeline = opentimelineio.adapters.read_from_string(text, "cmx_3600", rate=float(fps))
    (track,) = timeline.tracks
    return track_edges(track)


def read_otio(text: str, fps: Fraction = FPS) -> Edges:
    timeline = opentimelineio.adapters.read_from_string(text, "otio_json")
    assert {clip.source_range.duration.rate for clip in timeline.find_clips()} == {float(fps)}
    first, *others = (track_edges(track) for track in timeline.tracks)
    assert all(track == first for track in others)
    return first


def read_fcpxml(text: str, fps: Fraction = FPS) -> Edges:
    """By hand and exactly: opentimelineio's adapter cannot be imported by the Pythons of today."""
    spine = ElementTree.fromstring(text).findall("library/event/project/sequence/spine/asset-clip")
    starts = [seconds(clip.attrib["start"]) * fps for clip in spine]
    ends = [start + seconds(clip.attrib["duration"]) * fps for start, clip in zip(starts, spine, strict=True)]
    assert [seconds(clip.attrib["offset"]) * fps for clip in spine] == starts
    assert all(edge.denominator == 1 for edge in (*starts, *ends))
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def seconds(text: str) -> Fraction:
    assert text.endswith("s")
    return Fraction(text[:-1])


def read_table(text: str, fps: Fraction = FPS) -> Edges:
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [int(row["shot"]) for row in rows] == list(range(1, len(rows) + 1))
    found = [(int(row["first_frame"]), int(row["end_frame"])) for row in rows]
    assert [int(row["frames"]) for row in rows] == [end - start for start, end in found]
    assert [float(row["start_seconds"]) for row in rows] == [round(float(start / fps), 3) for start, _ in found]
    return found


def read_scenedetect(text: str, fps: Fraction = FPS) -> Edges:
    cuts, _, body = text.partition("\n")
    rows = list(csv.DictReader(io.StringIO(body, newline="")))
    starts = [row["Start Timecode"] for row in rows]
    assert cuts == ",".join(["Timecode List:", *starts[1:]] if starts[1:] else [])
    return [(int(row["Start Frame"]) - 1, int(row["End Frame"])) for row in rows]


READERS: dict[str, Callable[..., Edges]] = {
    "edl": read_edl,
    "fcpxml": read_fcpxml,
    "otio": read_otio,
    "csv": read_table,
    "scenedetect": read_scenedetect,
}


@pytest.mark.parametrize(("cuts", "frames"), CUTS)
@pytest.mark.parametrize("form", FORMATS)
def test_what_was_written_is_read_back_to_the_same_frames(form: str, cuts: list[int], frames: int) -> None:
    shots = shot_list(cuts, frames)
    assert READERS[form](render(form, shots)) == edges(shots)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMATS)
def test_no_name_of_a_video_changes_what_is_read_back(form: str, name: str) -> None:
    shots = shot_list([46, 47, 117], 135, name, sound=Sound(48000, 2))
    assert READERS[form](render(form, shots)) == edges(shots)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30), Fraction(50), Fraction(60)])
@pytest.mark.parametrize("form", FORMATS)
def test_the_rate_is_the_clock_s(form: str, fps: Fraction) -> None:
    shots = shot_list([46, 47, 200_000], 200_001, fps=fps)
    assert READERS[form](render(form, shots), fps) == edges(shots)


@pytest.mark.parametrize("form", sorted(set(FORMATS) - {"edl"}))
def test_rates_that_are_no_whole_number_stay_exact(form: str) -> None:
    fps = Fraction(24000, 1001)
    shots = shot_list([46, 47, 200_000], 200_001, fps=fps)
    assert READERS[form](render(form, shots), fps) == edges(shots)


@given(st.sets(st.integers(1, 5 * HOUR - 1), max_size=40), st.text(min_size=1, max_size=60))
def test_any_shots_of_a_video_of_any_name_come_back(cuts: set[int], stem: str) -> None:
    name = stem.replace("/", "_").replace("\0", "_") + ".mp4"
    shots = shot_list(sorted(cuts), 5 * HOUR, name)
    for form, read in READERS.items():
        assert read(render(form, shots)) == edges(shots), form


def test_an_edl_is_in_the_order_and_the_columns_that_programs_expect() -> None:
    text = render("edl", shot_list([46], 90, "a “b”.mp4"))
    assert text.split("\r\n") == [
        "TITLE: a “b”",
        "FCM: NON-DROP FRAME",
        "",
        "001  AX       V     C        00:00:00:00 00:00:01:21 00:00:00:00 00:00:01:21",
        "* FROM CLIP NAME:  a “b”.mp4",
        "002  AX       V     C        00:00:01:21 00:00:03:15 00:00:01:21 00:00:03:15",
        "* FROM CLIP NAME:  a “b”.mp4",
        "",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_edl_names_the_file_whatever_it_is_called(name: str) -> None:
    timeline = opentimelineio.adapters.read_from_string(render("edl", shot_list([5], 9, name)), "cmx_3600", rate=25)
    assert [clip.name for clip in timeline.tracks[0]] == [name, name]


@pytest.mark.parametrize(
    ("frames", "fps", "sentence"),
    [
        (
            100,
            Fraction(24000, 1001),
            "x.mp4: an EDL counts 1 to 99 whole frames a second, this video has 24000/1001.",
        ),
        (100, Fraction(120), "x.mp4: an EDL counts 1 to 99 whole frames a second, this video has 120."),
        (24 * HOUR, FPS, "x.mp4: an EDL ends at 24 hours, this video at 24.0."),
    ],
)
def test_what_an_edl_cannot_say_is_refused_with_a_sentence(frames: int, fps: Fraction, sentence: str) -> None:
    with pytest.raises(VideoError) as raised:
        render("edl", shot_list([], frames, fps=fps))
    assert str(raised.value) == f"{sentence} Export it as fcpxml or otio."


def test_the_last_frame_of_a_day_fits_into_an_edl() -> None:
    shots = shot_list([24 * HOUR - 2], 24 * HOUR - 1)
    assert "23:59:59:23 23:59:59:24 23:59:59:23 23:59:59:24" in render("edl", shots)


def links(text: str, form: str) -> Iterator[str]:
    """The addresses by which a file refers to the video."""
    if form == "otio":
        timeline = opentimelineio.adapters.read_from_string(text, "otio_json")
        yield from (clip.media_reference.target_url for clip in timeline.find_clips())
    else:
        yield from (rep.attrib["src"] for rep in ElementTree.fromstring(text).iter("media-rep"))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["fcpxml", "otio"])
def test_the_address_of_the_video_leads_to_its_very_bytes(form: str, name: str) -> None:
    found = list(links(render(form, shot_list([5], 9, name)), form))
    assert found and len(set(found)) == 1
    assert found[0].startswith("file:///") and found[0].isascii() and not set(found[0]) & set(" '\"&<>#?")
    assert unquote_to_bytes(found[0].removeprefix("file://")) == os.fsencode(FOLDER / name)


def test_a_name_with_control_characters_stays_on_its_line() -> None:
    shots = shot_list([5], 9, "two\r\nlines \x01\u2028\ufffe.mp4")
    assert "* FROM CLIP NAME:  two\\r\\nlines \\x01\\u2028\ufffe.mp4\r\n" in render("edl", shots)
    (asset,) = ElementTree.fromstring(render("fcpxml", shots)).iter("asset")
    assert asset.attrib["name"] == "two\\r\\nlines \\x01\\u2028\ufffd.mp4"


#: What Apple's DTD of version 1.9 allows of what is used here: attributes, and children in their order.
GRAMMAR = {
    "fcpxml": ({"version"}, ["resources", "library"]),
    "resources": (set(), ["format", "asset"]),
    "format": ({"id", "frameDuration", "width", "height"}, []),
    "asset": (
        {"id", "name", "start", "duration", "hasVideo", "format", "hasAudio", "audioSources", "audioChannels",
         "audioRate"},
        ["media-rep"],
    ),
    "media-rep": ({"kind", "src"}, []),
    "library": (set(), ["event"]),
    "event": ({"name"}, ["project"]),
    "project": ({"name"}, ["sequence"]),
    "sequence": ({"format", "duration", "tcStart", "tcFormat"}, ["spine"]),
    "spine": (set(), ["asset-clip"]),
    "asset-clip": ({"ref", "name", "offset", "start", "duration", "format", "tcFormat"}, ["marker"]),
    "marker": ({"start", "duration", "value"}, []),
}  # fmt: skip


@pytest.mark.parametrize("sound", [None, Sound(44100, 1)])
def test_the_fcpxml_keeps_to_the_grammar_and_knows_size_rate_and_sound(sound: Sound | None) -> None:
    gradual = Transition("gradual", 46, 40, 50, 0.8)
    text = render("fcpxml", shot_list([46], 90, sound=sound, transitions=(gradual,)))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n<fcpxml version="1.9">\n')
    root = ElementTree.fromstring(text)
    for element in root.iter():
        allowed, children = GRAMMAR[element.tag]
        assert set(element.attrib) <= allowed
        order = [children.index(child.tag) for child in element]
        assert order == sorted(order)
    (form,), (asset,) = root.iter("format"), root.iter("asset")
    assert form.attrib == {"id": "r1", "frameDuration": "100/2500s", "width": "1280", "height": "720"}
    assert (asset.attrib["start"], asset.attrib["duration"], asset.attrib["hasVideo"]) == ("0s", "9000/2500s", "1")
    heard = {name: asset.attrib[name] for name in asset.attrib if "udio" in name}
    expected = {"hasAudio": "1", "audioSources": "1", "audioChannels": "1", "audioRate": "44100"}
    assert heard == (expected if sound else {})


def test_an_otio_clip_is_a_range_of_the_whole_file_with_sound_where_there_is_some() -> None:
    silent, heard = (
        opentimelineio.adapters.read_from_string(render("otio", shot_list([46], 90, sound=sound)), "otio_json")
        for sound in (None, Sound(48000, 2))
    )
    assert [track.kind for track in silent.tracks] == ["Video"]
    assert [track.kind for track in heard.tracks] == ["Video", "Audio"]
    for clip in heard.find_clips():
        available = clip.media_reference.available_range
        assert (available.start_time.value, available.duration.value) == (0, 90)
        assert (clip.name, clip.media_reference.name) == ("x.mp4", "x.mp4")


TRANSITIONS = (Transition("hard", 20, 19, 19, 0.99), Transition("gradual", 46, 40, 50, 0.8))


def test_a_gradual_transition_is_named_and_moves_no_cut() -> None:
    plain, named = shot_list([20, 46], 90), shot_list([20, 46], 90, transitions=TRANSITIONS)
    for form, read in READERS.items():
        assert read(render(form, named)) == read(render(form, plain)) == edges(plain)
    edl = opentimelineio.adapters.read_from_string(render("edl", named), "cmx_3600", rate=25)
    otio = opentimelineio.adapters.read_from_string(render("otio", named), "otio_json")
    for timeline, text in ((edl, "GRADUAL TRANSITION"), (otio, "Gradual transition")):
        markers = [[(m.name, m.marked_range.start_time.value) for m in clip.markers] for clip in timeline.tracks[0]]
        assert markers == [[], [], [(text, 46)]]
    clips = ElementTree.fromstring(render("fcpxml", named)).iter("asset-clip")
    marked = [[(m.attrib["start"], m.attrib["value"]) for m in clip] for clip in clips]
    assert marked == [[], [], [("4600/2500s", "Gradual transition, frames 40 to 50")]]


def test_what_is_known_of_a_transition_is_in_the_tables_and_the_metadata() -> None:
    named = shot_list([20, 46, 60], 90, transitions=TRANSITIONS)
    rows = csv.DictReader(io.StringIO(render("csv", named), newline=""))
    assert [row["opened_by"] for row in rows] == ["", "hard", "gradual", ""]
    timeline = opentimelineio.adapters.read_from_string(render("otio", named), "otio_json")
    known = [clip.metadata["workflow"]["transition"] for clip in timeline.find_clips()]
    assert known[0] is known[3] is None
    assert dict(known[2]) == {"kind": "gradual", "cut": 46, "first": 40, "last": 50, "score": 0.8}


def test_the_plain_table_explains_itself() -> None:
    assert render("csv", shot_list([46], 90)) == (
        "shot,first_frame,end_frame,frames,start_seconds,end_seconds,start_timecode,end_timecode,opened_by\r\n"
        "1,0,46,46,0.000,1.840,00:00:00:00,00:00:01:21,\r\n"
        "2,46,90,44,1.840,3.600,00:00:01:21,00:00:03:15,\r\n"
    )


def test_the_table_for_pyscenedetect_is_what_its_list_scenes_writes() -> None:
    header = (
        "Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,End Time (seconds),"
        "Length (frames),Length (timecode),Length (seconds)\n"
    )
    # Both texts are PySceneDetect 0.7.2's own, for a video of two colours and one of a single one.
    assert render("scenedetect", shot_list([50], 135)) == (
        f"Timecode List:,00:00:02.000\n{header}"
        "1,1,00:00:00.000,0.000,50,00:00:02.000,2.000,50,00:00:02.000,2.000\n"
        "2,51,00:00:02.000,2.000,135,00:00:05.400,5.400,85,00:00:03.400,3.400\n"
    )
    assert render("scenedetect", shot_list([], 50)) == (
        f"\n{header}1,1,00:00:00.000,0.000,50,00:00:02.000,2.000,50,00:00:02.000,2.000\n"
    )


@pytest.mark.parametrize(
    ("frame", "fps", "text"),
    [
        (0, FPS, "00:00:00:00"),
        (24, FPS, "00:00:00:24"),
        (HOUR * 100 - 1, FPS, "99:59:59:24"),
        (HOUR * 100, FPS, "100:00:00:00"),
        (24, Fraction(24000, 1001), "00:00:01:00"),
    ],
)
def test_a_timecode_counts_whole_frames(frame: int, fps: Fraction, text: str) -> None:
    assert frame_timecode(frame, fps) == text


def test_shots_with_a_gap_or_without_a_place_are_no_shot_list() -> None:
    with pytest.raises(ValueError, match="without gap"):
        ShotList(FOLDER / "x.mp4", FrameClock(FPS, 10), 640, 360, (Shot(0, 4), Shot(5, 10)))
    with pytest.raises(ValueError, match="absolute"):
        ShotList(Path("x.mp4"), FrameClock(FPS, 10), 640, 360, (Shot(0, 10),))


def test_no_two_formats_can_write_the_same_name() -> None:
    suffixes = [form.suffix for form in FORMATS.values()]
    assert not [(a, b) for a in suffixes for b in suffixes if a != b and a.endswith(b)]
    assert max(map(len, suffixes)) <= len("_transcript.json")
