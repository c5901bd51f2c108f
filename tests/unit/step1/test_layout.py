"""Where members go in a project: nothing is lost, and no two videos share a stem."""

from __future__ import annotations

from pathlib import PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from workflow_scripts.common.projects import is_video_name
from workflow_scripts.step1.layout import lay_out
from workflow_scripts.step1.members import Member, folded


def placed(*names: str) -> dict[str, str]:
    members = [Member(name, 0, "folder" if name.endswith("/") else "file") for name in names]
    return {members[i].name: str(target) for i, target in lay_out(members).targets.items()}


def test_a_single_root_folder_is_flattened_once() -> None:
    assert placed("Show/", "Show/a.mp4", "Show/b.mp4") == {"Show/a.mp4": "docs/a.mp4", "Show/b.mp4": "docs/b.mp4"}
    assert placed("Show/Show/a.txt", "Show/Show/b.mp4") == {
        "Show/Show/a.txt": "docs/Show/a.txt",
        "Show/Show/b.mp4": "docs/b.mp4",
    }


def test_files_beside_the_videos_keep_their_place_below_docs() -> None:
    assert placed("a.mp4", "notes/plan.txt", "a.srt") == {
        "a.mp4": "docs/a.mp4",
        "notes/plan.txt": "docs/notes/plan.txt",
        "a.srt": "docs/a.srt",
    }


def test_a_docs_folder_with_videos_is_the_projects_own_and_its_siblings_lie_beside_it() -> None:
    assert placed("Show/docs/a.mp4", "Show/Show.aep", "Show/footage/raw.mov") == {
        "Show/docs/a.mp4": "docs/a.mp4",
        "Show/Show.aep": "Show.aep",
        "Show/footage/raw.mov": "footage/raw.mov",
    }
    assert placed("docs/a.mp4") == {"docs/a.mp4": "docs/a.mp4"}
    assert placed("Docs/a.mp4", "x.aep") == {"Docs/a.mp4": "docs/a.mp4", "x.aep": "x.aep"}


def test_a_docs_folder_of_papers_does_not_hide_the_videos_beside_it() -> None:
    assert placed("docs/plan.pdf", "a.mp4") == {"docs/plan.pdf": "docs/docs/plan.pdf", "a.mp4": "docs/a.mp4"}


def test_videos_of_subfolders_come_up_and_only_equal_names_get_their_folder() -> None:
    assert placed("day1/a.mp4", "day2/a.mp4", "day2/b.mp4") == {
        "day1/a.mp4": "docs/day1 - a.mp4",
        "day2/a.mp4": "docs/day2 - a.mp4",
        "day2/b.mp4": "docs/b.mp4",
    }
    assert placed("a.mp4", "day1/cam/a.mp4") == {"a.mp4": "docs/a.mp4", "day1/cam/a.mp4": "docs/day1 - cam - a.mp4"}


def test_videos_that_differ_only_in_suffix_or_case_get_different_stems() -> None:
    assert placed("a.mov", "a.mp4") == {"a.mp4": "docs/a.mp4", "a.mov": "docs/a (mov).mov"}
    assert placed("a.mp4", "A.mkv") == {"a.mp4": "docs/a.mp4", "A.mkv": "docs/A (mkv).mkv"}


def test_a_renamed_video_never_takes_the_name_of_another() -> None:
    names = ("day1/a.mp4", "day2/a.mp4", "day1 - a.mp4")
    assert placed(*names) == {
        "day1 - a.mp4": "docs/day1 - a.mp4",
        "day1/a.mp4": "docs/day1 - a (mp4).mp4",
        "day2/a.mp4": "docs/day2 - a.mp4",
    }


def test_a_video_never_takes_the_place_of_a_folder() -> None:
    assert placed("a.mp4/notes.txt", "day/a.mp4") == {
        "a.mp4/notes.txt": "docs/a.mp4/notes.txt",
        "day/a.mp4": "docs/a (mp4).mp4",
    }


def test_names_too_long_for_their_folder_are_numbered() -> None:
    name = "x" * 240 + ".mp4"
    targets = placed(f"{'d' * 20}/{name}", f"{'e' * 20}/{name}")
    assert sorted(map(len, targets.values())) == [len("docs/") + 244, len("docs/") + 250]


def test_what_finder_and_explorer_leave_is_dropped_and_manifests_are_not_taken() -> None:
    members = [
        Member(name, 1, "file")
        for name in ("a.mp4", "__MACOSX/._a.mp4", "._a.mp4", ".DS_Store", "x/Thumbs.db", ".workflow/STEP1.json")
    ]
    layout = lay_out(members)
    assert [members[i].name for i in layout.targets] == ["a.mp4"]
    assert len(layout.dropped) == 5 and layout.videos == 1


part = st.sampled_from(["a", "b", "docs", "Docs", "a - b", "a (2)", "é", "x"])
path = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(part, max_size=3),
    part,
    st.sampled_from([".mp4", ".mov", ".MP4", ".txt"]),
)


@given(st.lists(path, min_size=1, max_size=12, unique_by=folded))
def test_every_file_has_its_own_place_and_every_video_its_own_stem(names: list[str]) -> None:
    members = [Member(name, 0, "file") for name in names]
    layout = lay_out(members)
    targets = list(layout.targets.values())
    assert len(targets) == len(names)
    assert len({folded(str(target)) for target in targets}) == len(targets)
    folders = {folded(str(parent)) for target in targets for parent in target.parents}
    assert not folders & {folded(str(target)) for target in targets}
    in_docs = [t.stem for t in targets if t.parent == PurePosixPath("docs") and is_video_name(t.name)]
    assert len({folded(stem) for stem in in_docs}) == len(in_docs) == layout.videos
    assert layout.videos + len(layout.outside) == sum(is_video_name(name) for name in names)


@given(st.lists(path, min_size=1, max_size=8, unique_by=folded), st.randoms())
def test_the_order_in_the_archive_does_not_matter(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert placed(*names) == placed(*shuffled)
