"""The network over a whole video, frame by frame as it is decoded, with its second looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice, tee

from workflow_scripts.step3.network import Network
from workflow_scripts.step3.second_look import SPANS, half_rate, slow_looks
from workflow_scripts.step3.transitions import USUAL_THRESHOLDS, Scores, Thresholds, needs_half_rate
from workflow_scripts.step3.windows import USUAL_WINDOWS, Window, Windowing, windows_of


class TooManyFrames(ValueError):
    """More frames came than were announced."""


class ShotDetector:
    """Scores videos with a network; holds a few hundred small frames, whatever the video's length."""

    def __init__(
        self,
        network: Network,
        batch_size: int = 1,
        windowing: Windowing = USUAL_WINDOWS,
        thresholds: Thresholds = USUAL_THRESHOLDS,
        second_looks: bool = True,
    ) -> None:
        """Args:
        batch_size: windows given to the network at once.
        windowing: the windows of the first look; those of the second looks are fixed.
        """
        self._network = network
        self._batch_size = batch_size
        self._windowing = windowing
        self._thresholds = thresholds
        self._second_looks = second_looks

    def scores(
        self, frames: Iterable[bytes], count: int, progress: Callable[[int], None] | None = None
    ) -> tuple[Scores, int]:
        """The scores of a video.

        Args:
            frames: each `27 * 48 * 3` bytes of RGB.
            count: how many there will be.
            progress: told how many frames are done, if given.

        Returns:
            the scores, and how many frames there were, at most `count`.

        Raises:
            TooManyFrames: there were more than `count`.
        """
        scores = Scores.empty(count)
        first, again = tee(frames) if self._second_looks else (iter(frames), iter(()))
        spans = windows_of(again, SPANS)
        seen = looked = 0
        for seen in self._first_look(first, scores):
            for span in islice(spans, (seen - looked) // SPANS.stride):
                self._look_again(span, scores, looked)
                looked += SPANS.stride
            if progress is not None:
                progress(seen)
        for span in spans:
            self._look_again(span, scores, looked)
            looked += span.valid
        return scores, seen

    def _first_look(self, frames: Iterator[bytes], scores: Scores) -> Iterator[int]:
        """Score every frame; yields how many are done."""
        done = 0
        windows = windows_of(frames, self._windowing)
        while batch := list(islice(windows, self._batch_size)):
            single, many = self._network([window.frames for window in batch])
            for number, window in enumerate(batch):
                end = done + window.valid
                if end > len(scores.single):
                    raise TooManyFrames(f"more than {len(scores.single)} frames")
                scores.single[done:end] = window.central(single[number])
                scores.many[done:end] = window.central(many[number])
                done = end
            yield done

    def _look_again(self, span: Window, scores: Scores, start: int) -> None:
        """Look at half the frame rate and in slow motion at what gives a reason to."""
        part = slice(start, start + span.valid)
        single, many = scores.single[part], scores.many[part]
        if needs_half_rate(single, many, self._thresholds):
            half, _ = self._network([half_rate(span)])
            target = scores.half[start // 2 : (start + span.valid + 1) // 2]
            target[:] = half[0][SPANS.padding // 2 :][: len(target)]
        for look in slow_looks(span):
            index = look.index - span.padding
            if single[index] <= self._thresholds.usual:
                slow, _ = self._network([look.frames])
                scores.slow[start + index] = slow[0][look.position]
