"""The page of a video in a browser: what it shows is true to the frame.

The film says itself which frame is seen: eight bars, bright or dark, are the bits of its number.
"""

from __future__ import annotations

import itertools
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from services.names import key_of
from workflow_scripts.common.artifacts.audio import frames_of_turns, write_raw_audio
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.artifacts.tracking import TrackedObject, write_raw_tracking
from workflow_scripts.common.artifacts.transcripts import Spoken, Transcript, Word, write_transcript
from workflow_scripts.common.artifacts.transitions import write_transitions
from workflow_scripts.common.artifacts.turns import write_turns
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.earlier import hold, settle
from workflow_scripts.common.manifest import Gate
from workflow_scripts.common.media import probe
from workflow_scripts.common.media_info import write_media
from workflow_scripts.common.projects import Project, Video
from workflow_scripts.common.timeline import Shot, Transition, Turn

FRAMES, WIDE, HIGH = 200, 320, 180
CLOCK = FrameClock(Fraction(25), FRAMES)
CUTS = (60, 61, 140)
TURNS = (Turn(0.5, 2.0, "SPEAKER_00", 0.9), Turn(3.0, 6.0, "SPEAKER_01", 0.8))
#: What is said: two sentences by two speakers, a word that is not sure, one that nobody is known to have said.
WORDS = (
    Word(0.5, 0.82, " C'était", 0.95, "SPEAKER_00"),
    Word(0.82, 1.2, " l'été", 0.3, "SPEAKER_00"),
    Word(1.2, 1.9, " dernier.", 0.9, "SPEAKER_00"),
    Word(3.0, 3.4, " Un", 0.99, "SPEAKER_01"),
    Word(3.4, 4.2, " <b>été</b>", 0.97, "SPEAKER_01"),
    Word(4.2, 5.0, " sans", 0.9, "SPEAKER_01"),
    Word(5.0, 5.8, " fin.", 0.96, "SPEAKER_01"),
    Word(7.0, 7.6, " Voilà.", 0.96, None),
)
#: The number that the bars of the picture on the screen stand for.
PICTURE = """() => {
    const video = document.getElementById("picture");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    const bit = (n) => context.getImageData(n * 40 + 20, 90, 1, 1).data[1] > 128 ? 2 ** n : 0;
    return [0, 1, 2, 3, 4, 5, 6, 7].map(bit).reduce((sum, one) => sum + one);
}"""
#: How opaque what is drawn at a place of the picture is, in its pixels; the most within a pixel of the screen.
PAINTED = """([x, y]) => {
    const canvas = document.getElementById("overlay");
    const scale = Math.min(canvas.width / 320, canvas.height / 180);
    const left = (canvas.width - 320 * scale) / 2;
    const top = (canvas.height - 180 * scale) / 2;
    const at = [Math.floor(left + x * scale), Math.floor(top + y * scale)];
    const { data } = canvas.getContext("2d").getImageData(at[0] - 1, at[1] - 1, 3, 3);
    return Math.max(...data.filter((_, place) => place % 4 === 3));
}"""
#: Plays for a while and compares the picture with the frame whose faces are drawn, each time a picture is shown.
WATCH = """(pictures) => new Promise((resolve) => {
    const video = document.getElementById("picture");
    const seen = [];
    const look = (now, { mediaTime }) => queueMicrotask(() => {
        seen.push([Math.round(mediaTime * 25) + 1, document.getElementById("overlay").dataset.frame]);
        if (seen.length < pictures) video.requestVideoFrameCallback(look);
        else resolve(seen);
    });
    video.requestVideoFrameCallback(look);
    video.play();
})"""


def write_bits(path: Path) -> None:
    """Encode the film, with a silent sound beside it."""
    import av
    import numpy as np

    with av.open(f"file:{path}", "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = WIDE, HIGH, "yuv420p"
        stream.options = {"crf": "18", "preset": "ultrafast", "g": "50"}
        for number in range(FRAMES):
            bars = [(number >> bit) & 1 for bit in range(8)]
            row = np.repeat(np.array(bars, np.uint8) * 190 + 30, WIDE // 8)
            picture = np.broadcast_to(row[None, :, None], (HIGH, WIDE, 3))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        container.mux(stream.encode(None))


def faces_of(frame: int) -> tuple[TrackedObject, ...]:
    """One face that moves a pixel each frame; a second from frame 100 on; nobody in frame 199."""
    if frame == FRAMES - 1:
        return ()
    moving = face("obj_1", frame + 20, frame % 25 < 12)
    return (moving,) if frame < 100 else (moving, face("obj_2", 250, False))


def face(name: str, x: int, speaks: bool) -> TrackedObject:
    """A face of 40x60 pixels."""
    return TrackedObject(
        id=name,
        label="face",
        source="face_landmarker",
        box=(x, 70, x + 40, 130),
        centroid_x=x + 20,
        centroid_y=100,
        confidence=0.9,
        is_speaking=speaks,
        speaking_sources={"visual": {"mouth_opening": 0.25}},
        active_speakers=("SPEAKER_00",) if speaks else (),
    )


def film(data: Path, finish: Any, project: str, stem: str) -> Video:
    """The film as STEP2 leaves it."""
    video = Video(Project(folder := data / "projets_extraits" / project, folder / "docs"), f"{stem}.mp4")
    video.path.parent.mkdir(parents=True, exist_ok=True)
    write_bits(video.path)
    write_media(video.workflow / "media.json", probe(video.path))
    finish(video, "STEP2", {"video": video.path})
    return video


def write_shots(video: Video, finish: Any, cuts: tuple[int, ...], **fields: Any) -> None:
    """Shots as STEP3 leaves them."""
    table, viewer = video.delivered(".csv"), video.workflow / "shots.json"
    write_scenes(table, [Shot(*pair) for pair in itertools.pairwise((0, *cuts, FRAMES))], CLOCK)
    single = [0.9 if frame + 1 in cuts else 0.0 for frame in range(FRAMES)]
    found = [Transition("hard", cut, cut - 1, cut, 0.9) for cut in cuts]
    write_transitions(viewer, found, {"single": single, "many": single}, CLOCK)
    finish(video, "STEP3", {"scenes": table, "transitions": viewer}, **fields)


def write_words(video: Video, finish: Any, words: tuple[Word, ...], **fields: Any) -> None:
    """A transcript as STEP4B leaves it."""
    path = video.delivered("_transcript.json")
    text = "".join(word.text for word in words)
    segments = (Spoken(words[0].start, words[-1].end, text, words, -0.2, 0.1, 1.0),) if words else ()
    write_transcript(path, Transcript("fr", 1.0, "transcribe", "a model", 8.0, segments))
    finish(video, "STEP4B", {"json": path}, **fields)


def analyse(video: Video, finish: Any) -> None:
    """What STEP3, STEP4 and STEP5 leave, and an earlier result of STEP3 with another cut."""
    write_shots(video, finish, (60, 120, 140))
    hold(video.workflow, video.root, "STEP3")
    short = {"state": "degraded", "gates": (Gate.at_least("shortest shot (frames)", 1, 3),)}
    write_shots(video, finish, CUTS, finished="2026-02-01T00:00:00.000+00:00", **short)
    settle(video.workflow, "STEP3")
    audio, viewer = video.delivered("_audio.json"), video.workflow / "turns.json"
    write_raw_audio(audio, video.name, frames_of_turns(TURNS, CLOCK), CLOCK)
    write_turns(viewer, TURNS, [], "embedded", CLOCK)
    finish(video, "STEP4", {"audio": audio, "turns": viewer})
    write_words(video, finish, WORDS)
    write_raw_tracking(video.delivered(".json"), video.name, "engine", map(faces_of, range(FRAMES)), CLOCK)
    gates = (Gate.at_least("share of frames with a face", 0.99, 0.5),)
    finish(video, "STEP5", {"tracking": video.delivered(".json")}, gates=gates)


@pytest.fixture
def video(dashboard: Any, finish: Any) -> Video:
    """The film with everything that was found in it; the same for all tests of the module."""
    folder = dashboard.data / "projets_extraits" / "Été 100%" / "docs"
    if not (folder / "les visages .json").is_file():
        analyse(film(dashboard.data, finish, "Été 100%", "les visages "), finish)
    return Video(Project(folder.parent, folder), "les visages .mp4")


def address(video: Video, rest: str = "") -> str:
    """Where a video's page is."""
    return f"/projects/{key_of(video.project.name)}/videos/{key_of(video.name)}{rest}"


def open_page(page: Any, video: Video, rest: str = "") -> None:
    """Open a video's page and wait until its picture and its lanes are there."""
    page.goto("about:blank")
    page.goto(address(video, rest))
    page.locator("#measured[data-picture][data-lanes]").wait_for(state="attached", timeout=60_000)


def wait_for_frame(page: Any, number: int) -> None:
    """Wait until the frame of this number, from 1, is shown with its faces."""
    page.locator(f'#overlay[data-frame="{number}"]').wait_for(timeout=30_000)
    assert page.locator("#frame-number").inner_text() == str(number)


def go_to(page: Any, text: str) -> None:
    """Type where to go."""
    page.get_by_label("Go to frame or timecode").fill(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("number", [1, 2, 57, 62, 101, 163, 199, 200])
def test_faces_are_drawn_where_the_artifact_says_for_the_frame_that_the_picture_is(
    page: Any, video: Video, number: int
) -> None:
    open_page(page, video, f"#frame={number}")
    wait_for_frame(page, number)
    assert page.evaluate(PICTURE) == number - 1
    shown = json.loads(page.locator("#overlay").get_attribute("data-boxes"))
    expected = faces_of(number - 1)
    boxes = [(one["id"], (one["x0"], one["y0"], one["x1"], one["y1"]), one["speaking"]) for one in shown]
    assert boxes == [(one.id, one.box, one.is_speaking) for one in expected]
    for one in expected:
        assert one.box is not None
        x0, y0, x1, y1 = one.box
        assert all(page.evaluate(PAINTED, [x, 100]) == 255 for x in (x0, x1))
        assert page.evaluate(PAINTED, [(x0 + x1) // 2, y1]) == 255
        assert page.evaluate(PAINTED, [(x0 + x1) // 2, (y0 + y1) // 2]) == 0


def test_while_it_plays_no_faces_but_those_of_the_picture_are_drawn(page: Any, video: Video) -> None:
    open_page(page, video, "#frame=1")
    wait_for_frame(page, 1)
    seen = page.evaluate(WATCH, 60)
    assert all(frame == str(picture) for picture, frame in seen if frame)
    assert sum(1 for _, frame in seen if frame) > 50


def test_nothing_is_drawn_while_the_faces_are_not_known_and_that_is_said(page: Any, video: Video) -> None:
    waiting: list[Any] = []
    page.route(re.compile(r"/view/frames\?"), lambda route: waiting.append(route))
    open_page(page, video, "#frame=40")
    note = page.locator("#overlay-note")
    note.wait_for()
    assert note.inner_text() == "The faces of frame 40 are being loaded"
    assert page.locator("#overlay").get_attribute("data-frame") == ""
    assert page.evaluate(PAINTED, [60, 100]) == 0
    for route in waiting:
        route.continue_()
    wait_for_frame(page, 40)
    assert note.is_hidden()


def test_every_way_to_a_frame_leads_to_that_frame(page: Any, video: Video) -> None:
    open_page(page, video, "#frame=50")
    wait_for_frame(page, 50)
    ways = [
        ("ArrowRight", 51),
        (".", 52),
        ("ArrowLeft", 51),
        (",", 50),
        ("Shift+ArrowRight", 75),
        ("Shift+ArrowLeft", 50),
        ("ArrowDown", 61),
        ("ArrowDown", 62),
        ("ArrowUp", 61),
        ("End", 200),
        ("Home", 1),
    ]
    for key, number in ways:
        page.keyboard.press(key)
        wait_for_frame(page, number)
        assert page.evaluate(PICTURE) == number - 1
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    wait_for_frame(page, 41)
    assert page.evaluate(PICTURE) == 40
    for text, number in (("123", 123), ("0:02", 51), ("00:00:01:24", 50)):
        go_to(page, text)
        wait_for_frame(page, number)
    go_to(page, "201")
    assert page.evaluate("document.getElementById('go-to').validationMessage") == "The video has no such frame."
    page.get_by_role("link", name="4", exact=True).click()
    wait_for_frame(page, 141)
    page.wait_for_function("() => location.hash === '#frame=141'")
    page.evaluate("location.hash = '#frame=7'")
    wait_for_frame(page, 7)


def test_a_click_on_a_lane_leads_to_what_is_there(page: Any, video: Video) -> None:
    open_page(page, video)
    lanes = {"shots": (100, 62), "speakers": (100, None), "scores": (100, 101)}
    for lane, (frame, number) in lanes.items():
        canvas = page.locator(f'.lane[data-lane="{lane}"] canvas')
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        y = box["height"] * (0.75 if lane == "speakers" else 0.5)
        canvas.click(position={"x": box["width"] * (frame + 0.5) / FRAMES, "y": y})
        wait_for_frame(page, number or 76)
        page.mouse.move(0, 0)


def test_what_is_in_the_frame_is_said_in_words(page: Any, video: Video) -> None:
    open_page(page, video, "#frame=26")
    wait_for_frame(page, 26)
    said = page.locator("#now").inner_text()
    assert "1 of 4, frames 1–60" in said
    assert "SPEAKER_00" in said
    assert "obj_1 · speaks · SPEAKER_00" in said
    go_to(page, "200")
    wait_for_frame(page, 200)
    assert "none" in page.locator("#now").inner_text()


def word(page: Any, text: str) -> Any:
    """A word of the text in its tab."""
    return page.locator("#panel-words .said-text").get_by_role("link", name=text, exact=True)


def test_a_word_is_where_it_is_said_in_the_lane_in_the_text_and_in_words(page: Any, video: Video) -> None:
    open_page(page, video)
    canvas = page.locator('.lane[data-lane="words"] canvas')
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    place = {"x": box["width"] * 112 / FRAMES, "y": 15}
    canvas.hover(position=place)
    assert "SPEAKER_01 · 4.20–5.00 s · 90 % sure" in page.locator("#lane-hint").inner_text()
    canvas.click(position=place)
    wait_for_frame(page, 106)  # frame 105 from 0: the word begins at 4.2 s
    assert page.locator("[data-now=words]").inner_text() == "sans"
    page.get_by_role("tab", name="Words").click()
    assert page.locator("#panel-words [aria-current]").all_inner_texts() == ["sans"]
    said = page.locator("#panel-words .said-part").all_inner_texts()
    assert [part.split("\n\n") for part in said] == [
        ["SPEAKER_00 00:00:00:12", "C'était l'été dernier."],
        ["SPEAKER_01 00:00:03:00", "Un <b>été</b> sans fin."],
        ["Speaker not known 00:00:07:00", "Voilà."],
    ]
    word(page, "l'été").click()
    wait_for_frame(page, 21)
    assert "l'été (unsure, 30 %)" in page.locator("[data-now=words]").inner_text()
    assert page.locator("#panel-words .said-text .unsure").all_inner_texts() == ["l'été"]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    wait_for_frame(page, 31)
    go_to(page, "63")
    wait_for_frame(page, 63)
    assert page.locator("[data-now=words]").inner_text() == "no word"
    assert page.locator("#panel-words [aria-current]").count() == 0


def test_the_search_leads_from_place_to_place_whatever_the_accents(page: Any, video: Video) -> None:
    open_page(page, video, "#frame=1")
    wait_for_frame(page, 1)
    page.get_by_role("tab", name="Words").click()
    wish, found = page.get_by_label("Search in what is said"), page.locator("[data-hits]")
    wish.fill("ETE")
    assert found.inner_text() == "found: 2"
    for key, number, told in (("Enter", 21, "1 of 2"), ("Enter", 86, "2 of 2"), ("Enter", 21, "1 of 2")):
        wish.press(key)
        wait_for_frame(page, number)
        assert found.inner_text() == told
    wish.press("Shift+Enter")
    wait_for_frame(page, 86)
    wish.fill("sans fin")
    assert page.locator("#panel-words .hit").all_inner_texts() == ["sans", "fin."]
    wish.fill("hiver")
    assert found.inner_text() == "not found"
    assert page.get_by_role("button", name="Next place").is_disabled()


def test_a_long_text_is_read_in_pages_that_follow_the_playhead(page: Any, dashboard: Any, finish: Any) -> None:
    other = film(dashboard.data, finish, "P", "talk")
    words = tuple(Word(n / 100, (n + 1) / 100, f" w{n}", 0.9, f"SPEAKER_0{n // 50 % 2}") for n in range(800))
    write_words(other, finish, words)
    open_page(page, other, "#frame=1")
    wait_for_frame(page, 1)
    page.get_by_role("tab", name="Words").click()
    place = page.locator("#panel-words .list-place")
    assert place.inner_text() == "1–300 of 800"
    page.get_by_label("Search in what is said").fill("w700")
    page.keyboard.press("Enter")
    wait_for_frame(page, 176)
    assert place.inner_text() == "601–800 of 800"
    assert page.locator("#panel-words .is-here").all_inner_texts() == ["w700"]
    go_to(page, "1")
    wait_for_frame(page, 1)
    assert place.inner_text() == "1–300 of 800"


def test_words_are_there_only_where_there_is_a_transcript(page: Any, dashboard: Any, finish: Any) -> None:
    other = film(dashboard.data, finish, "P", "silent")
    open_page(page, other)
    tab, lane = page.locator("#tab-words"), page.locator('.lane[data-lane="words"]')
    assert tab.is_hidden() and lane.is_hidden() and page.locator("[data-now=words]").is_hidden()
    write_words(other, finish, WORDS)
    page.evaluate("htmx.trigger('#results', 'sse:fresh')")
    tab.click()
    word(page, "dernier.").wait_for()
    write_words(other, finish, (), finished="2026-03-01T00:00:00.000+00:00")
    page.evaluate("htmx.trigger('#results', 'sse:fresh')")
    page.get_by_text("No word was recognised in this video.").wait_for()
    assert tab.is_hidden()
    assert page.get_by_role("tab", name="Shots").get_attribute("aria-selected") == "true"


def test_what_cannot_be_had_is_said_and_nothing_is_claimed_of_it_until_it_is_there(
    page: Any, video: Video, dashboard: Any
) -> None:
    page.route("**/view/turns", lambda route: route.fulfill(status=500, json={"error": {"message": "No disk."}}))
    open_page(page, video, "#frame=26")
    wait_for_frame(page, 26)
    assert "No disk." in page.locator("#problem").inner_text()
    assert "No disk." in page.locator('.lane[data-lane="speakers"]').inner_text()
    speech = page.locator("[data-now=speech]")
    assert speech.inner_text() == "being loaded"
    page.unroute_all()
    page.locator("[data-now=speech]", has_text="SPEAKER_00").wait_for()
    assert page.locator("#problem").is_hidden()
    dashboard.complaints.clear()  # the browser says that an answer was an error


def test_a_result_that_is_not_to_be_trusted_is_marked_at_its_lanes(page: Any, video: Video) -> None:
    open_page(page, video)
    assert "Find shots: Degraded. shortest shot (frames): 1, must be >= 3" in page.locator("#results").inner_text()
    assert page.locator('.lane[data-lane="shots"] .lane-state').inner_text() == "Degraded"
    assert page.locator('.lane[data-lane="faces"] .lane-state').is_hidden()


def test_two_results_are_compared_and_keys_lead_from_difference_to_difference(page: Any, video: Video) -> None:
    open_page(page, video, "#frame=1")
    page.get_by_role("tab", name="Compare").click()
    choice = page.get_by_label("Compare what there is now with")
    choice.select_option(index=1)
    page.get_by_text("differences: 2").wait_for()
    assert page.locator('.lane[data-lane="shots_then"]').is_visible()
    page.evaluate("document.activeElement.blur()")
    for key, number in (("n", 62), ("n", 121), ("p", 62)):
        page.keyboard.press(key)
        wait_for_frame(page, number)
    page.wait_for_function("() => location.hash.includes('compare=STEP3:')")
    page.reload()
    page.locator('.lane[data-lane="shots_then"]').wait_for()


def test_a_new_result_is_shown_without_being_asked_for(
    page: Any, video: Video, dashboard: Any, finish: Any
) -> None:
    other = film(dashboard.data, finish, "P", "later")
    open_page(page, other)
    lane = page.locator('.lane[data-lane="shots"]')
    assert "“Find shots” has not been done yet." in lane.inner_text()
    write_shots(other, finish, (80,))
    page.evaluate("htmx.trigger('#results', 'sse:fresh')")
    page.get_by_role("link", name="2", exact=True).wait_for()
    assert lane.locator("canvas").is_visible()


def test_a_video_that_was_never_converted_says_so_instead_of_guessing_frames(page: Any, dashboard: Any) -> None:
    folder = dashboard.data / "projets_extraits" / "raw" / "docs"
    folder.mkdir(parents=True)
    write_bits(folder / "x.mp4")
    page.goto("/projects/raw/videos/x.mp4")
    page.get_by_text("This video has not been converted yet").wait_for()
    assert page.locator("#lanes").is_hidden()


@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_everybody_can_use_it_in_both_languages_and_appearances(
    page: Any, video: Video, dashboard: Any, violations: Any, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    for language, theme in itertools.product(("en", "fr"), ("light", "dark")):
        wishes = [("language", language), ("theme", theme)]
        page.context.add_cookies(
            [{"name": name, "value": value, "url": dashboard.address} for name, value in wishes]
        )
        open_page(page, video, "#frame=100")
        wait_for_frame(page, 100)
        for tab in page.locator("[role=tab]").all():
            tab.click()
            assert violations(page) == []
    page.keyboard.press("?")
    page.locator("#keys").wait_for()
    assert violations(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= size[0]
