"""A step for tests of the controller: standard library only, its key is the name it is started by.

For each video of its project it writes `docs/<stem>.<KEY>`, first under another name; what is there already is up
to date. The file `<KEY>.do` in the project says otherwise: `exit N`, `fail` (every video, exit 1), `some` (the
first video), `retriable` (as `some`, and says that another try can help), `kill`, `wait` (until a file `go` lies in
the project), `slow` (0.05 s a video), `once N` (exit N the first time). STEP1 makes a project of each file in the
inbox. What it does is in the file `trace` of the data folder: begin or end, key, project, GPU, monotonic time.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

KEY = Path(sys.argv[0]).stem
DATA = Path(os.environ["WORKFLOW_DATA_DIR"])
TARGET = next((Path(word) for word in sys.argv[1:] if not word.startswith("--")), None)
LIMIT = 60.0


def note(what: str) -> None:
    """Add a line to the trace."""
    words = [what, KEY, TARGET.name if TARGET else "-", os.environ.get("CUDA_VISIBLE_DEVICES", "-")]
    with (DATA / "trace").open("a") as stream:
        stream.write(" ".join([*words, str(time.monotonic())]) + "\n")


def tell(kind: str, **data: object) -> None:
    """Write an event."""
    with Path(os.environ["WORKFLOW_EVENTS"]).open("a") as stream:
        stream.write(json.dumps({"event": kind, "time": "2026-01-01T00:00:00.000+00:00", **data}) + "\n")


def main() -> int:
    """Work as told."""
    if "--check" in sys.argv:
        print("needs nothing")
        return 0
    if "--dry-run" in sys.argv:
        for path in videos():
            print(f"{path.name}: {'up to date' if artifact(path).exists() else 'new'}")
        return 0
    note("begin")
    print(f"working on {TARGET.name if TARGET else 'the inbox'}", *sys.argv[2:])
    code = make_projects() if TARGET is None else work()
    note("end")
    return code


def make_projects() -> int:
    """STEP1: each file of the inbox becomes a project."""
    for path in sorted((DATA / "inbox").glob("*.mp4")):
        docs = DATA / "projets_extraits" / path.stem / "docs"
        docs.mkdir(parents=True)
        path.rename(docs / path.name)
        tell("video", video=path.name, state="succeeded", message="")
    return 0


def videos() -> list[Path]:
    """The videos of the project."""
    return sorted((TARGET / "docs").glob("*.mp4")) if TARGET else []


def artifact(video: Path) -> Path:
    """What is made of a video."""
    return video.with_suffix(f".{KEY}")


def work() -> int:
    """The videos of a project, one after the other."""
    assert TARGET is not None
    told = TARGET / f"{KEY}.do"
    words = told.read_text().split() if told.exists() else ["ok"]
    if words[0] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if words[0] == "wait":
        begin = time.monotonic()
        while not (TARGET / "go").exists() and time.monotonic() - begin < LIMIT:
            time.sleep(0.01)
    if words[0] == "once":
        told.unlink()
    if words[0] in ("exit", "once"):
        print("it ended as told", file=sys.stderr)
        return int(words[1])
    code = 0
    for index, video in enumerate(videos()):
        if words[0] == "fail" or (words[0] in ("some", "retriable") and index == 0):
            tell("video", video=video.name, state="failed", message="It cannot be read.")
            record = TARGET / ".workflow" / video.stem / f"{KEY}.failed.json"
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps({"message": "No.", "hint": "", "retry": words[0] == "retriable"}))
            code = 1
        else:
            tell("video", video=video.name, state=make(video, 0.05 if words[0] == "slow" else 0.0), message="")
    return code


def make(video: Path, seconds: float) -> str:
    """Make what is made of one video, so that it is there whole or not at all."""
    if artifact(video).exists():
        return "up to date"
    half = video.with_suffix(f".{KEY}.tmp-{os.getpid()}")
    half.write_text("begun ")
    time.sleep(seconds)
    half.write_text("begun and finished")
    half.rename(artifact(video))
    return "succeeded"


if __name__ == "__main__":
    sys.exit(main())
