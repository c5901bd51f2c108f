"""Sound files brought to the transcribe page: watched, read while they are heard, and what can go wrong."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from services.sample import speech_file
from services.supervision.processes import send
from services.worker_lock import NAME as WORKER_LOCK
from services.worker_lock import holder

pytestmark = pytest.mark.timeout(300)

#: A file as people name it.
NAME = "Été 100% « l'an 2 » & <b>.m4a"
#: Notes how many words there are whenever that changes, and whether it still works then.
NOTE_WORDS = """() => {
    window.counts = [];
    const note = () => {
        const works = Boolean(document.querySelector("#state .badge[data-state=running]"));
        const count = document.querySelectorAll("#text [data-place]").length;
        if (count !== window.counts.at(-1)?.[0]) window.counts.push([count, works]);
    };
    new MutationObserver(note).observe(document.getElementById("text"), { subtree: true, childList: true });
}"""
PLAYING = """() => {
    const sound = document.getElementById("sound");
    return [sound.currentTime, document.querySelector("#text [aria-current]")?.dataset.place ?? null, sound.paused];
}"""


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, make_dashboard: Any, tiny_model: Path) -> Iterator[Any]:
    """The application with a tiny model in the place of `base`."""
    data = tmp_path_factory.mktemp("transcribing")
    shutil.copytree(tiny_model, data / "models" / "whisper" / "base")
    with make_dashboard(data) as found:
        yield found


@pytest.fixture(scope="session")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of a call as AAC, as a phone leaves it."""
    path = tmp_path_factory.mktemp("spoken") / "call.m4a"
    with av.open(str(speech_file())) as source, av.open(str(path), "w", format="mp4") as target:
        stream: Any = target.add_stream("aac", rate=16000, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def bring(page: Any, path: Path, name: str = NAME) -> str:
    """Choose one file, and wait for its page; its key."""
    page.goto("/transcribe")
    page.locator("#files").set_input_files({"name": name, "mimeType": "audio/mp4", "buffer": path.read_bytes()})
    page.wait_for_url("**/transcribe/2*")
    return str(page.url.rpartition("/")[2])


@pytest.fixture(scope="module")
def done(browser: Any, dashboard: Any, spoken: Path) -> str:
    """The key of a transcription that has ended; tests only look at it."""
    page = dashboard.page(browser)
    key = bring(page, spoken)
    over(page)
    page.context.close()
    return key


def over(page: Any, state: str = "Done") -> None:
    """Wait until the transcription whose page it is has ended."""
    page.locator("#state .badge").get_by_text(state).wait_for(timeout=120_000)


def words(dashboard: Any, key: str) -> list[dict[str, Any]]:
    """Its words as the API tells them."""
    return list(dashboard.ask(f"/api/transcriptions/{key}/words")["words"])


def test_a_chosen_file_is_transcribed_and_its_files_are_there_to_download(
    page: Any, dashboard: Any, spoken: Path
) -> None:
    key = bring(page, spoken)
    assert page.get_by_role("heading", level=1).text_content() == NAME
    over(page)
    page.locator("#text").get_by_text("Bonjour").first.wait_for()
    assert page.locator("#text [data-place]").count() == len(words(dashboard, key)) > 0
    page.locator("#state dd").get_by_text("French").wait_for()
    for kind, beginning in (
        ("Text", "Bonjour à tous."),
        ("SRT", "1\n00:00:0"),
        ("WebVTT", "WEBVTT"),
        ("JSON", "{"),
    ):
        with page.expect_download() as download:
            page.get_by_role("link", name=kind, exact=True).click()
        assert download.value.suggested_filename.startswith("Été 100% « l'an 2 » & ")
        assert Path(download.value.path()).read_text(encoding="utf-8").startswith(beginning)


def test_words_light_up_while_they_are_heard(page: Any, dashboard: Any, done: str) -> None:
    page.goto(f"/transcribe/{done}")
    said = words(dashboard, done)
    page.locator("#sound").wait_for()
    page.evaluate("document.getElementById('sound').muted = true")
    page.evaluate(f"document.getElementById('sound').currentTime = {said[0]['start'] - 0.2}")
    page.locator("body").press("Space")
    seen: set[str] = set()
    deadline = time.monotonic() + 20
    while len(seen) < 3 and time.monotonic() < deadline:
        at, place, paused = page.evaluate(PLAYING)
        assert not paused
        if place is not None:
            word = said[int(place)]
            assert word["start"] - 0.05 <= at <= word["end"] + 0.05, (at, word)
            seen.add(place)
    assert len(seen) >= 3
    page.locator("body").press("Space")
    assert page.evaluate(PLAYING)[2] is True


def test_a_click_on_a_word_or_a_hit_of_the_search_leads_the_sound_there(
    page: Any, dashboard: Any, done: str
) -> None:
    page.goto(f"/transcribe/{done}")
    said = words(dashboard, done)
    page.locator("#sound").wait_for()
    last = len(said) - 1
    page.locator(f"#text [data-place='{last}']").click()
    assert page.evaluate(PLAYING)[0] == pytest.approx(said[last]["start"], abs=0.02)
    assert page.evaluate(PLAYING)[1] == str(last)
    page.get_by_placeholder("Search words…").fill("bonjour à")
    page.get_by_placeholder("Search words…").press("Enter")
    page.get_by_text("1 of ").wait_for()
    first = next(number for number, word in enumerate(said) if word["text"] == "Bonjour")
    assert page.evaluate(PLAYING)[0] == pytest.approx(said[first]["start"], abs=0.02)
    page.goto(f"/transcribe/{done}#t={said[last]['start']:.2f}")
    page.reload()
    page.locator(f"#text [data-place='{last}'][aria-current]").wait_for()


def test_the_whole_text_is_copied(page: Any, dashboard: Any, done: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/transcribe/{done}")
    page.get_by_role("button", name="Copy the text").click()
    page.get_by_role("button", name="Copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.split() == [word["text"] for word in words(dashboard, done)]


def test_several_dropped_files_go_one_after_the_other_and_one_without_sound_stops_none(
    page: Any, dashboard: Any, drop: Any, spoken: Path
) -> None:
    page.goto("/transcribe")
    sound = spoken.read_bytes()
    drop(page, ("first.m4a", sound), ("no sound.mp3", b"these are words"), ("third.m4a", sound), ("a.zip", b"PK"))
    page.locator("#uploads").get_by_text("this is an archive").wait_for()
    for name, state in (("first.m4a", "Done"), ("no sound.mp3", "Failed"), ("third.m4a", "Done")):
        badge = page.get_by_role("row", name=name).locator(".badge")
        badge.get_by_text(state, exact=True).wait_for(timeout=120_000)
    row = page.get_by_role("row", name="no sound.mp3")
    row.get_by_text("no sound.mp3: ").wait_for()
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Remove no sound.mp3").click()
    row.wait_for(state="detached")
    names = [one["name"] for one in dashboard.ask("/api/transcriptions")["transcriptions"]]
    assert names[:2] == ["third.m4a", "first.m4a"] and "a.zip" not in names
    dashboard.complaints.clear()  # the browser says that the answer was a refusal


def test_one_is_cancelled_begun_again_in_another_language_and_removed(
    page: Any, dashboard: Any, spoken: Path
) -> None:
    key = bring(page, spoken)
    over(page)
    page.get_by_text("Transcribe it again").click()
    page.locator("#again-language").select_option("de")
    page.get_by_role("button", name="Begin").click()
    page.locator("#state dd").get_by_text("German").wait_for(timeout=120_000)
    over(page)
    assert dashboard.ask(f"/api/transcriptions/{key}")["round"] == 2
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url("**/transcribe")
    assert not (dashboard.data / "transcriptions" / key).exists()


def test_with_a_real_model_words_come_while_it_works_and_a_killed_worker_loses_none(
    page: Any, dashboard: Any, make_dashboard: Any, browser: Any, spoken: Path, tmp_path: Path, embedded_model: Path
) -> None:
    with make_dashboard(tmp_path / "real", WORKFLOW_EMBEDDED_MODELS="") as real:
        own = real.page(browser)
        key = bring(own, spoken)
        own.evaluate(NOTE_WORDS)
        own.locator("#text [data-place]").first.wait_for(timeout=120_000)
        worker = holder(real.data / WORKER_LOCK)
        assert worker is not None and send(worker.identity, signal.SIGKILL)
        over(own)
        counts = own.evaluate("window.counts")
        assert any(count > 0 and works for count, works in counts), counts
        assert [count for count, _ in counts] == sorted(count for count, _ in counts)
        text = " ".join(word["text"] for word in words(real, key))
        assert "Diane" in text and "New Jersey" in text and "Chicago" in text
        assert real.ask(f"/api/transcriptions/{key}")["round"] == 1
        own.context.close()
        assert not real.complaints


def test_without_a_model_the_page_says_what_to_do(browser: Any, make_dashboard: Any, tmp_path: Path) -> None:
    with make_dashboard(tmp_path / "bare") as bare:
        page = bare.page(browser)
        page.goto("/transcribe")
        page.locator("#ready").get_by_text("The speech model base is not here.").wait_for(timeout=60_000)
        assert "scripts/setup audio_env" in page.locator("#ready").inner_text()
        page.context.close()


@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("fr", "dark")])
def test_everybody_can_use_the_page_of_a_transcription_also_on_a_phone(
    page: Any, dashboard: Any, done: str, violations: Any, language: str, theme: str
) -> None:
    chosen = {"language": language, "theme": theme}
    page.context.add_cookies(
        [{"name": name, "value": value, "url": dashboard.address} for name, value in chosen.items()]
    )
    page.goto(f"/transcribe/{done}")
    page.locator("#text [data-place]").first.wait_for()
    page.locator("#sound").wait_for()
    page.locator("details.again").evaluate("(one) => { one.open = true; }")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto("/transcribe")
    page.locator("#ready p").wait_for()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
