"""What both PySceneDetect detectors here share: its Python API, its OpenCV backend, its defaults.

PySceneDetect numbers frames by their time and the average rate, which is not the frame's place in a variable-rate
file; the times of all frames it read lead back to that.
"""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path
from typing import Any

from scenedetect import SceneDetector, SceneManager, VideoStreamCv2

from benchmarks.shots.measured import Detection, Stopwatch


class NotedStream(VideoStreamCv2):  # type: ignore[misc] # scenedetect has no type hints here
    """A video that notes the seconds of each frame that is read from it."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.seconds: list[float] = []

    def read(self, decode: bool = True) -> Any:
        """Read the next frame as PySceneDetect does; False at the end."""
        frame = super().read(decode)
        if frame is not False:
            self.seconds.append(self.position.seconds)
        return frame


def detect_with(detector: SceneDetector, video: Path, stopwatch: Stopwatch) -> Detection:
    """Run one detector as `scenedetect.detect` does."""
    with stopwatch:
        stream = NotedStream(str(video))
        manager = SceneManager()
        manager.add_detector(detector)
        manager.detect_scenes(stream)
        starts = [start.seconds for start, _ in manager.get_scene_list()[1:]]
    return Detection(len(stream.seconds), [bisect_left(stream.seconds, start - 1e-6) for start in starts])
