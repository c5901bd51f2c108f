"""Bringing videos to the pipeline page: dropped or chosen, seen on their way, refused with a reason."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

#: A project as people name it; the page is to show it so.
ARCHIVE = "Été 100% « l'an 2 » & <b>.zip"
#: Notes each figure of the bar of an upload, in percent.
NOTE_BARS = """() => {
    window.shares = [];
    const note = ({ target }) => window.shares.push(Math.round((100 * target.value) / target.max));
    const observer = new MutationObserver((changes) => changes.forEach(note));
    const what = { subtree: true, attributes: true, attributeFilter: ["value"] };
    observer.observe(document.getElementById("upload-list"), what);
}"""


def archive(folder: Path, clips: Any) -> bytes:
    """A zip with two videos, large enough to be sent in several pieces."""
    path = folder / "made.zip"
    with zipfile.ZipFile(path, "w") as target:
        target.write(clips.still, "générique fin  .mp4")
        target.write(clips.lasting(6), 'it\'s "50%".mp4')
    assert path.stat().st_size > 2 * 256 * 1024
    return path.read_bytes()


def upload(page: Any, name: str) -> Any:
    """The row of an upload."""
    return page.locator("#upload-list li").filter(has=page.locator(".upload-name", has_text=name))


def test_a_dropped_archive_is_seen_on_its_way_and_becomes_finished_work_without_a_reload(
    page: Any, dashboard: Any, clips: Any, drop: Any, tmp_path: Path
) -> None:
    page.goto("/")
    page.evaluate("window.first = true")
    page.evaluate(NOTE_BARS)
    drop(page, (ARCHIVE, archive(tmp_path, clips)))
    upload(page, ARCHIVE).get_by_text("in the inbox as").wait_for()
    shares = page.evaluate("window.shares")
    assert shares == sorted(shares)
    assert any(0 < share < 100 for share in shares)
    assert shares[-1] == 100
    page.locator("#inbox").get_by_text(ARCHIVE).wait_for()

    page.get_by_label("Sequence").fill("1-2")
    page.locator("#start-button").click()
    page.locator("#notices").get_by_text("was started").wait_for()
    row = page.locator("#project-list li").filter(has_text=ARCHIVE.removesuffix(".zip"))
    row.get_by_text("2 videos").wait_for()
    page.locator("#runs li").get_by_text("Done").wait_for()
    page.locator("#live-STEP2").get_by_text("2 Done").wait_for()
    page.locator("#inbox").get_by_text("It is empty.").wait_for()
    assert page.evaluate("window.first") is True

    row.get_by_role("link").click()
    for video in ("générique fin  .mp4", 'it\'s "50%".mp4'):
        line = page.get_by_role("row", name=video)
        assert line.get_by_role("button", name="Done").count() == 1, video


def test_several_chosen_videos_become_one_project_of_the_name_that_was_typed(
    page: Any, dashboard: Any, clips: Any, tmp_path: Path
) -> None:
    files = [{"name": name, "mimeType": "", "buffer": clips.still.read_bytes()} for name in ("a.mp4", "b  .mp4")]
    page.goto("/")
    page.locator("#files").set_input_files(files)
    dialog = page.get_by_role("dialog", name="2 videos")
    dialog.get_by_label("Name of the project").fill("Deux d'un coup")
    dialog.get_by_role("button", name="Upload").click()
    for name in ("a.mp4", "b  .mp4"):
        upload(page, name).get_by_text("in the inbox as").wait_for()
    page.locator("#inbox").get_by_text("Deux d'un coup").wait_for()
    assert sorted(path.name for path in (dashboard.data / "inbox" / "Deux d'un coup").iterdir()) == [
        "a.mp4",
        "b  .mp4",
    ]


def test_what_is_no_video_is_refused_with_a_sentence_and_not_sent(page: Any, dashboard: Any, drop: Any) -> None:
    page.goto("/")
    drop(page, ("notes.txt", b"words"), (".mp4", b"hidden"))
    upload(page, "notes.txt").get_by_text("this is neither an archive nor a video").wait_for()
    upload(page, ".mp4").get_by_text("begins with a dot").wait_for()
    assert not list((dashboard.data / "inbox").glob("*.txt"))
    dashboard.complaints.clear()  # the browser says that the answer was a refusal
