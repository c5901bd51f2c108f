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
        cuts = find_cuts(probabilities, job.params.threshold, job.params.hard_cut_threshold)
        shots = shots_between(cuts, clock.frames)
        target = item.delivered(".csv")
        write_scenes(target, shots, clock)
        minutes = float(clock.duration) / 60
        return Result(
            outputs={"scenes": target},
            counts={"frames": clock.frames, "shots": len(shots), "cuts_per_minute": round(len(cuts) / minutes, 2)},
            gates=(
                Gate.equals("frames present / frames decoded", sum(map(len, shots)) / clock.frames, 1),
                Gate("shortest shot (frames)", min(map(len, shots))),
            ),
        )

    def _probabilities(self, video: Video, job: Job) -> npt.NDArray[np.float32]:
        """The network's score for every decoded frame, float32 (n,).

        Raises:
            ClockError: another number of frames was decoded than STEP2 measured.
        """
        # One array for all: small results kept one by one between the network's large buffers make the heap
        # grow by 600 MB in 20 minutes of video.
        scores = np.empty(job.clock.frames, np.float32)
        done = 0
        with closing(decode_rgb24(video.path, WIDTH, HEIGHT)) as frames:
            windows = windows_of(frames)
            while batch := list(islice(windows, job.batch_size)):
                with job.phase("network"):
                    found = self._network([window.frames for window in batch])
                for window, row in zip(batch, found, strict=True):
                    fitting = scores[done : done + window.valid]
                    fitting[:] = window.central(row)[: len(fitting)]
                    done += window.valid
                job.progress(done, job.clock.frames, "frames")
        if done != job.clock.frames:
            raise ClockError(
                f"{video.name}: {done} frames were decoded, STEP2 measured {job.clock.frames}.",
                hint="Run STEP2 again for this video.",
            )
        return scores


if __name__ == "__main__":
    sys.exit(main(RunTransNet(), __doc__))
