"""STEP3: where the shots are.

Decodes the 25 fps video straight to the 48x27 pictures that TransNetV2 takes, gives the network windows of 100
frames, cuts at the peaks of its scores and writes docs/<stem>.csv, one row per shot. Memory does not grow with
the video's length.
"""

from __future__ import annotations

import sys
from contextlib import closing
from itertools import islice

import numpy as np
import numpy.typing as npt

from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import ClockError
from workflow_scripts.common.ffmpeg import decode_rgb24
from workflow_scripts.common.manifest import Gate, ModelRecord
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job, Result, VideoStep
from workflow_scripts.step3.network import ShotNetwork, weights_record
from workflow_scripts.step3.shots import find_cuts, shots_between
from workflow_scripts.step3.windows import HEIGHT, WIDTH, windows_of

PARAMETERS = (
    Parameter("threshold", float, 0.5, "Probability above which a frame is a transition", 0.01, 0.99),
    Parameter("hard_cut_threshold", float, 0.2, "The same for a frame whose neighbours stay low", 0.01, 0.99),
    Parameter(
        "batch_size",
        int,
        1,
        "Windows of 100 frames the network takes at once; more only helps on a GPU",
        1,
        64,
        affects_result=False,
    ),
    Parameter("threads", int, 0, "CPU threads of the network; 0 is one per core", 0, 256, affects_result=False),
)


class RunTransNet(VideoStep):
    """Shots by TransNetV2."""

    key = "STEP3"
    name = "run_transnet"
    version = "1"
    config = "step3_transnet.json"
    delivers = (".csv",)
    parameters = PARAMETERS
    uses_accelerator = True

    def check(self, params: Settings) -> None:
        """The package and its weights are there."""
        weights_record()

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The weights inside the package."""
        return (weights_record(),)

    def batch_size(self, params: Settings) -> int:
        """Windows per call of the network."""
        return int(params.batch_size)

    def prepare(self, job: Job) -> None:
        """Load the network."""
        self._network = ShotNetwork(job.device, job.params.threads)

    def process(self, item: Video, job: Job) -> Result:
        """Decode, infer, cut, write."""
        clock = job.clock
        probabilities = self._probabilities(item, job)
        if len(probabilities) != clock.frames:
            raise ClockError(
                f"{item.name}: {len(probabilities)} frames were decoded, STEP2 measured {clock.frames}.",
                hint="Run STEP2 again for this video.",
            )
        cuts = find_cuts(probabilities, job.params.threshold, job.params.hard_cut_threshold)
        shots = shots_between(cuts, clock.frames)
        target = item.delivered(".csv")
        write_scenes(target, shots, clock)
        minutes = float(clock.duration) / 60
        return Result(
            outputs={"scenes": target},
            counts={"frames": clock.frames, "shots": len(shots), "cuts_per_minute": round(len(cuts) / minutes, 2)},
            gates=(
                Gate.equals("frames present / frames decoded", sum(map(len, shots)) / len(probabilities), 1),
                Gate("shortest shot (frames)", min(map(len, shots))),
            ),
        )

    def _probabilities(self, video: Video, job: Job) -> npt.NDArray[np.float32]:
        """The network's score for every decoded frame, float32 (n,)."""
        network = self._network
        scores: list[npt.NDArray[np.float32]] = []
        done = 0
        with closing(decode_rgb24(video.path, WIDTH, HEIGHT)) as frames:
            windows = windows_of(frames)
            while batch := list(islice(windows, job.batch_size)):
                with job.phase("network"):
                    found = network([window.frames for window in batch])
                scores += [window.central(row) for window, row in zip(batch, found, strict=True)]
                done += sum(window.valid for window in batch)
                job.progress(done, job.clock.frames, "frames")
        return np.concatenate(scores) if scores else np.zeros(0, np.float32)


if __name__ == "__main__":
    sys.exit(main(RunTransNet(), __doc__))
