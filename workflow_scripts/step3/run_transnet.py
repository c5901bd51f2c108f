"""STEP3: where the shots are.

Decodes the 25 fps video straight to the 48x27 pictures that TransNetV2 takes, gives the network windows of 100
frames, looks again where slow fades or very short shots may be, and writes docs/<stem>.csv, one row per shot, and
.workflow/<stem>/shots.json, the transitions and the scores. Memory does not grow with the video's length.
"""

from __future__ import annotations

import sys
from contextlib import closing

from workflow_scripts.common.artifacts import transitions as artifact
from workflow_scripts.common.artifacts.scenes import write_scenes
from workflow_scripts.common.command_line import main
from workflow_scripts.common.errors import ClockError, UsageError
from workflow_scripts.common.ffmpeg import decode_rgb24
from workflow_scripts.common.manifest import Gate, ModelRecord
from workflow_scripts.common.projects import Video
from workflow_scripts.common.settings import Settings
from workflow_scripts.common.step import Job, Result, VideoStep
from workflow_scripts.step3.backends import Backend, load_backend
from workflow_scripts.step3.detector import ShotDetector, TooManyFrames
from workflow_scripts.step3.network import CheckedNetwork, Network, weights_record
from workflow_scripts.step3.parameters import DOUBT, PARAMETERS, is_sure_with, thresholds, windowing, wish
from workflow_scripts.step3.transitions import Scores, drop_short_shots, find_transitions, shots_between
from workflow_scripts.step3.windows import HEIGHT, WIDTH


class RunTransNet(VideoStep):
    """Shots by TransNetV2."""

    key = "STEP3"
    name = "run_transnet"
    version = "2"
    config = "step3_transnet.json"
    delivers = (".csv",)
    parameters = PARAMETERS
    uses_accelerator = True
    _backend: Backend | None = None

    def check(self, params: Settings) -> None:
        """The windows fit together, and the package's weights are there."""
        try:
            windowing(params)
        except ValueError as error:
            raise UsageError(f"window, stride and padding do not fit together: {error}.") from error
        weights_record()

    def models(self, params: Settings) -> tuple[ModelRecord, ...]:
        """The weights inside the package."""
        return (weights_record(),)

    def batch_size(self, params: Settings, device: str) -> int:
        """Windows per call of the network."""
        return int(params.batch_size)

    def torchscript(self, params: Settings) -> bool:
        """As the parameter says."""
        return bool(params.torchscript)

    def torchscript_fallback(self, params: Settings) -> bool:
        """As the parameter says."""
        return bool(params.torchscript_auto_fallback)

    def workers(self, params: Settings) -> int:
        """As the parameter says."""
        return int(params.num_workers)

    def prepare(self, job: Job) -> None:
        """Load the network."""
        self._backend = load_backend(wish(job), is_sure_with(job.params))
        job.log.info("Network: %s.", self._backend.why)

    def release(self) -> None:
        """Let go of the network."""
        self._backend = None

    def process(self, item: Video, job: Job) -> Result:
        """Decode, infer, cut, write."""
        clock = job.clock
        scores, name, gates = self._checked_scores(item, job)
        found = find_transitions(scores, thresholds(job.params))
        found = drop_short_shots(found, clock.frames, job.params.min_shot_frames)
        shots = shots_between([one.cut for one in found], clock.frames)
        csv, json = item.delivered(".csv"), item.workflow / artifact.NAME
        write_scenes(csv, shots, clock)
        seen = {"single": scores.single, "many": scores.many, "half": scores.half, "slow": scores.slow}
        artifact.write_transitions(json, found, seen, clock)
        minutes = float(clock.duration) / 60
        return Result(
            outputs={"scenes": csv, "transitions": json},
            counts={
                "frames": clock.frames,
                "shots": len(shots),
                "gradual": sum(one.kind == "gradual" for one in found),
                "cuts_per_minute": round(len(found) / minutes, 2),
                "backend": name,
            },
            gates=(
                Gate.equals("frames present / frames decoded", sum(map(len, shots)) / clock.frames, 1),
                Gate("shortest shot (frames)", min(map(len, shots))),
                *gates,
            ),
        )

    def _checked_scores(self, video: Video, job: Job) -> tuple[Scores, str, tuple[Gate, ...]]:
        """The scores, the backend they come from, and how far half precision was off where it was checked."""
        backend = self._backend
        if backend is None:
            raise AssertionError("prepare comes first")
        if not isinstance(backend.network, CheckedNetwork):
            return self._scores(backend.exact, video, job), backend.name, ()
        backend.network.reset()
        scores = self._scores(backend.network, video, job)
        off = backend.network.largest_difference
        if off < DOUBT:
            return scores, backend.name, (Gate(f"largest difference of {backend.name} from FP32", round(off, 4)),)
        job.warn(f"{video.name}: {backend.name} was off by {off:.3f}, more than {DOUBT}; done again in FP32.")
        return self._scores(backend.exact, video, job), "float32", ()

    def _scores(self, network: Network, video: Video, job: Job) -> Scores:
        """The network's scores for every decoded frame.

        Raises:
            ClockError: another number of frames was decoded than STEP2 measured.
        """
        frames = job.clock.frames
        detector = ShotDetector(
            network, job.batch_size, windowing(job.params), thresholds(job.params), job.params.second_looks
        )
        decoded = decode_rgb24(video.path, WIDTH, HEIGHT, threads=job.params.ffmpeg_threads)
        with closing(decoded), job.phase("network"):
            try:
                scores, seen = detector.scores(decoded, frames, lambda done: job.progress(done, frames, "frames"))
            except TooManyFrames:
                seen = frames + 1
        if seen != frames:
            more = "more frames" if seen > frames else f"{seen} frames"
            raise ClockError(
                f"{video.name}: {more} were decoded, STEP2 measured {frames}.",
                hint="Run STEP2 again for this video.",
            )
        return scores


if __name__ == "__main__":
    sys.exit(main(RunTransNet(), __doc__))
