"""Taking a source's place loses nothing, whenever the process is killed and whatever names lie about."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_scripts.common.manifest import sha256_of
from workflow_scripts.common.media import probe
from workflow_scripts.common.paths import ROOT
from workflow_scripts.common.projects import Project
from workflow_scripts.common.run import Outcome
from workflow_scripts.step2 import originals
from workflow_scripts.step2.plan import Untouched, plan

MakeMedia = Callable[..., Path]
Convert = Callable[..., dict[str, Outcome]]
PICTURE = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=30:d=0.4", "-pix_fmt", "yuv420p")
OTHER = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=30:d=0.6", "-pix_fmt", "yuv420p")
GOOD = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=0.4", "-pix_fmt", "yuv420p")

#: Acts of the step in their order, as `module:name`; the process is killed before or after each.
ACTS = [
    "workflow_scripts.step2.convert_videos:run",
    "workflow_scripts.step2.convert_videos:require_usable",
    "workflow_scripts.step2.originals:Conversion.write",
    "workflow_scripts.step2.originals:_second_name",
    "workflow_scripts.step2.originals:replace",
    "workflow_scripts.step2.convert_videos:put_in_place",
    "workflow_scripts.step2.convert_videos:write_media",
    "workflow_scripts.common.manifest:Manifest.write",
]
KILLER = """
import importlib, logging, os, signal, sys
act, when, links, *targets = sys.argv[1:]
module, _, name = act.partition(":")
owner = importlib.import_module(module)
*path, name = name.split(".")
for part in path:
    owner = getattr(owner, part)
real = getattr(owner, name)
def killed(*args, **options):
    if when == "after":
        real(*args, **options)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(owner, name, killed)
if links == "no":
    def refuse(*_):
        raise OSError(1, "Operation not permitted")
    os.link = refuse
from workflow_scripts.step2.convert_videos import DESCRIPTION, ConvertVideos, main
sys.argv[1:] = [*targets, "--encoder", "libx264", "--preset", "ultrafast"]
main(ConvertVideos(), DESCRIPTION)
"""


def good(path: Path) -> bool:
    return isinstance(plan(probe(path), suffix="mp4", can_tone_map=True), Untouched)


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(("act", "when"), [*((act, "before") for act in ACTS), (ACTS[-1], "after")])
@pytest.mark.parametrize(("name", "links"), [("a.mov", "yes"), ("a.mp4", "yes"), ("a.mp4", "no")])
def test_a_kill_at_any_act_loses_nothing_and_a_rerun_finishes(
    name: str, links: str, act: str, when: str, make_media: MakeMedia, convert: Convert, tmp_path: Path
) -> None:
    path = make_media(f"p/docs/{name}", *PICTURE)
    content, project = path.read_bytes(), path.parents[1]
    environment = {**os.environ, "WORKFLOW_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-c", KILLER, act, when, links, str(path)], cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == -signal.SIGKILL
    kept = [p for p in (path, project / "originals" / name) if p.is_file() and p.read_bytes() == content]
    assert kept, "the source is nowhere under its name"

    outcomes = convert(project)
    assert {outcome.state for outcome in outcomes.values()} <= {"succeeded", "up to date"}
    assert names(path.parent) == ["a.mp4"]
    assert good(project / "docs" / "a.mp4")
    assert names(project / "originals") == [name]
    assert (project / "originals" / name).read_bytes() == content
    assert [outcome.state for outcome in convert(project).values()] == ["up to date"]


def test_the_name_of_a_replaced_source_still_stands_for_its_video(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mov", *PICTURE)
    convert(path)
    assert not path.exists()
    assert {name: outcome.state for name, outcome in convert(path).items()} == {"a.mp4": "up to date"}


def test_another_parameter_converts_again_from_the_original(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mov", *PICTURE)
    content = path.read_bytes()
    convert(path, crf=10)
    first = path.with_suffix(".mp4").read_bytes()
    assert convert(path.parents[1], crf=35)["a.mp4"].state == "succeeded"
    assert len(path.with_suffix(".mp4").read_bytes()) < len(first)
    assert (path.parents[1] / "originals" / "a.mov").read_bytes() == content
    assert convert(path.parents[1], crf=35)["a.mp4"].state == "up to date"


def test_the_same_source_gives_the_same_bytes(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mov", *PICTURE)
    convert(path)
    first = path.with_suffix(".mp4").read_bytes()
    assert convert(path.parents[1], force=True)["a.mp4"].state == "succeeded"
    assert path.with_suffix(".mp4").read_bytes() == first


def test_a_removed_original_leaves_the_result_as_it_is(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mov", *PICTURE)
    convert(path)
    before = path.with_suffix(".mp4").read_bytes()
    (path.parents[1] / "originals" / "a.mov").unlink()
    assert convert(path.parents[1])["a.mp4"].state == "succeeded"
    assert path.with_suffix(".mp4").read_bytes() == before


def test_a_new_video_under_a_converted_name_never_overwrites_the_old_original(
    make_media: MakeMedia, convert: Convert
) -> None:
    path = make_media("p/docs/a.mp4", *PICTURE)
    first = path.read_bytes()
    convert(path)
    second = make_media("p/docs/a.mp4", *OTHER).read_bytes()
    assert convert(path)["a.mp4"].state == "succeeded"
    kept = path.parents[1] / "originals"
    assert names(kept) == ["a (2).mp4", "a.mp4"]
    assert (kept / "a.mp4").read_bytes() == first
    assert (kept / "a (2).mp4").read_bytes() == second
    assert probe(path).frames == 15


def test_of_two_videos_of_one_stem_the_second_is_refused_and_nothing_overwritten(
    make_media: MakeMedia, convert: Convert
) -> None:
    one, two = make_media("p/docs/a.mp4", *GOOD), make_media("p/docs/a.mov", *OTHER)
    contents = one.read_bytes(), two.read_bytes()
    outcomes = convert(one.parent)
    assert outcomes["a.mp4"].state == "succeeded"
    assert outcomes["a.mov"].state == "failed"
    assert "a.mp4 has the same name" in outcomes["a.mov"].message
    assert (one.read_bytes(), two.read_bytes()) == contents


def test_another_source_dropped_beside_a_result_is_refused(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mov", *PICTURE)
    convert(path)
    result = path.with_suffix(".mp4").read_bytes()
    other = make_media("p/docs/a.mov", *OTHER).read_bytes()
    outcomes = convert(path.parent)
    assert outcomes["a.mov"].state == "failed" and outcomes["a.mp4"].state == "up to date"
    assert (path.read_bytes(), path.with_suffix(".mp4").read_bytes()) == (other, result)


def test_a_name_with_no_room_for_what_is_added_is_refused(make_media: MakeMedia, convert: Convert) -> None:
    fits, long = "é" * 119 + "x", "é" * 120
    assert len(fits.encode()) == 239
    for stem, state in ((fits, "succeeded"), (long, "failed")):
        path = make_media(f"{len(stem)}{state}/docs/short.mov", *PICTURE)
        path = path.rename(path.with_name(f"{stem}.mov"))
        outcome = convert(path.parent)[path.name]
        assert outcome.state == state, outcome.message
        if state == "failed":
            assert "240 bytes long" in outcome.message
            assert path.is_file()


def test_a_name_that_is_no_utf8_is_refused(make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/a.mov", *PICTURE)
    odd = path.rename(path.with_name(os.fsdecode(b"caf\xe9.mov")))
    outcome = convert(odd.parent)[odd.name]
    assert (outcome.state, outcome.message) == (
        "failed",
        "caf\\xe9.mov: its name is not valid UTF-8. Rename the file.",
    )


@pytest.mark.parametrize(
    "stem", ["-i", "a:b", "concat:x", "$(id)", ";rm", "%03d", "*", "a\nb", 'it\'s "q"', " é…’ ", "\u202egpj"]
)
def test_hostile_names_are_converted_like_any_other(stem: str, make_media: MakeMedia, convert: Convert) -> None:
    path = make_media("p/docs/x.mov", *PICTURE)
    path = path.rename(path.with_name(f"{stem}.mov"))
    assert convert(path.parent)[path.name].state == "succeeded"
    assert names(path.parent) == [f"{stem}.mp4"]
    assert good(path.with_name(f"{stem}.mp4"))


def test_without_hard_links_the_original_is_a_copy(
    make_media: MakeMedia, convert: Convert, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", refuse)
    path = make_media("p/docs/a.mp4", *PICTURE)
    content = path.read_bytes()
    assert convert(path)["a.mp4"].state == "succeeded"
    assert (path.parents[1] / "originals" / "a.mp4").read_bytes() == content


def test_an_original_that_is_good_as_it_was_comes_back(make_media: MakeMedia, convert: Convert) -> None:
    original = make_media("p/originals/a.mp4", *GOOD)
    result = make_media("p/docs/a.mp4", *OTHER, "-r", "25")
    video = Project.at(result.parent).videos()[0]
    originals.Conversion("a.mp4", sha256_of(original), "a.mp4", sha256_of(result)).write(video)
    assert convert(result)["a.mp4"].state == "succeeded"
    assert result.read_bytes() == original.read_bytes()
    assert convert(result)["a.mp4"].state == "up to date"
