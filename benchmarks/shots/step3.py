"""STEP3 as the benchmarks call it: on decoded frames, on the CPU, with the step's default parameters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from workflow_scripts.common.devices import Rung
from workflow_scripts.common.settings import resolve
from workflow_scripts.common.step import Job
from workflow_scripts.common.timeline import Transition
from workflow_scripts.step3.backends import load_backend
from workflow_scripts.step3.detector import ShotDetector
from workflow_scripts.step3.network import CheckedNetwork, Network
from workflow_scripts.step3.parameters import DOUBT, PARAMETERS, is_sure_with, thresholds, windowing, wish
from workflow_scripts.step3.transitions import Scores, find_transitions


class Step3:
    """The step without its files: a loaded network, and the rules."""

    def __init__(self, backend: str = "auto", second_looks: bool = True) -> None:
        self._params = resolve(PARAMETERS, None, {"backend": backend, "second_looks": second_looks})
        log = logging.getLogger(__name__)
        job = Job({}, self._params, Rung("cpu", self._params.batch_size), log, lambda *_: None)
        self._backend = load_backend(wish(job), is_sure_with(self._params))

    def scores(self, frames: Callable[[], Iterable[bytes]], count: int) -> Scores:
        """The scores of a video.

        Args:
            frames: gives its frames from the first on, each `27 * 48 * 3` bytes of RGB.
            count: how many they are.
        """
        network = self._backend.network
        if not isinstance(network, CheckedNetwork):
            return self._scores(network, frames(), count)
        network.reset()
        scores = self._scores(network, frames(), count)
        return scores if network.largest_difference < DOUBT else self._scores(self._backend.exact, frames(), count)

    def _scores(self, network: Network, frames: Iterable[bytes], count: int) -> Scores:
        params = self._params
        detector = ShotDetector(
            network, params.batch_size, windowing(params), thresholds(params), params.second_looks
        )
        return detector.scores(frames, count)[0]

    def transitions(self, scores: Scores) -> list[Transition]:
        """What the scores say."""
        return find_transitions(scores, thresholds(self._params))
