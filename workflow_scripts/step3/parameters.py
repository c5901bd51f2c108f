"""The parameters of STEP3, and what they mean to its parts."""

from __future__ import annotations

from collections.abc import Callable

from workflow_scripts.common.settings import Parameter, Settings
from workflow_scripts.common.step import Job
from workflow_scripts.step3.backends import BACKENDS, Wish
from workflow_scripts.step3.network import Floats
from workflow_scripts.step3.transitions import Thresholds, is_sure
from workflow_scripts.step3.windows import USUAL_WINDOWS, Windowing

#: Half precision may be off by less than this; nearer to a threshold FP32 is asked. See docs/measurements.md.
DOUBT = 0.05
#: Frames beside those of a window that count, of which its neighbour says the same or nearly so.
_BESIDE = 2


def _speed(
    name: str, kind: type, default: object, text: str, low: int | None = None, high: int | None = None
) -> Parameter:
    """A parameter that changes nothing but speed."""
    return Parameter(name, kind, default, text, low, high, affects_result=False)


PARAMETERS = (
    Parameter("threshold", float, 0.5, "Probability above which a frame is a transition", 0.01, 0.99),
    Parameter("hard_cut_threshold", float, 0.2, "The same for a frame whose neighbours stay low", 0.01, 0.99),
    Parameter("second_looks", bool, True, "Look again, slower and faster, for very short shots and slow fades"),
    Parameter(
        "min_shot_frames", int, 1, "Shots shorter than this many frames are joined to a neighbour", 1, 10_000
    ),
    Parameter("window", int, 100, "Frames the network sees at once: stride + 2 x padding", 2, 1000),
    Parameter("stride", int, 50, "Frames of a window that count, in its middle", 1, 1000),
    Parameter("padding", int, 25, "Frames of context on either side of those", 0, 499),
    _speed("batch_size", int, 1, "Windows the network takes at once; more only helps on a GPU", 1, 64),
    Parameter(
        "backend",
        str,
        "auto",
        "How the CPU computes; auto is the quickest here",
        choices=BACKENDS,
        affects_result=False,
    ),
    _speed("mixed_precision", bool, False, "On CUDA compute in half precision where no cut depends on it"),
    Parameter(
        "amp_dtype", str, "bfloat16", "The half precision", choices=("bfloat16", "float16"), affects_result=False
    ),
    _speed("torchscript", bool, False, "Compile the network with TorchScript"),
    _speed("torchscript_auto_fallback", bool, True, "Go on without TorchScript where that fails"),
    _speed("warmup", bool, True, "Run noise through the network before the first video"),
    _speed("warmup_batches", int, 1, "Batches of that noise", 1, 100),
    _speed("num_workers", int, 1, "Videos processed at once on the CPU; on CUDA it is always one", 1, 64),
    _speed("threads", int, 0, "CPU threads of the network; 0 is one per core", 0, 256),
    _speed("ffmpeg_threads", int, 0, "Threads of the decoder; 0 leaves it to ffmpeg", 0, 64),
)


def windowing(params: Settings) -> Windowing:
    """The windows of the first look.

    Raises:
        ValueError: they do not fit together.
    """
    return Windowing(params.window, params.stride, params.padding)


def thresholds(params: Settings) -> Thresholds:
    """The scores that decide; the one for a score that stands alone is never above the usual one."""
    return Thresholds(params.threshold, min(params.hard_cut_threshold, params.threshold))


def is_sure_with(params: Settings) -> Callable[[Floats, Floats], bool]:
    """Whether the scores of a window, (T,) of either head, leave no doubt about any frame that counts."""
    bounds = thresholds(params)
    padding: dict[int, int] = {}
    for looks in (windowing(params), USUAL_WINDOWS):  # the first ones, and the second ones
        padding[looks.length] = min(looks.padding, padding.get(looks.length, looks.padding))

    def sure(single: Floats, many: Floats) -> bool:
        left_out = max(padding[len(single)] - _BESIDE, 0)
        seen = slice(left_out, len(single) - left_out)
        return is_sure(single[seen], many[seen], bounds, DOUBT)

    return sure


def wish(job: Job) -> Wish:
    """How the network is to be computed for a job."""
    params = job.params
    if job.device == "cpu":
        form = "direct" if params.backend == "direct" else "winograd"
        half = params.backend if params.backend in ("auto", "bfloat16") else None
    else:
        form, half = "direct", params.amp_dtype if params.mixed_precision else None
    if params.min_shot_frames > 1:  # which of two cuts goes may turn on the last digit of their scores
        half = None
    return Wish(
        device=job.device,
        form=form,
        half=half,
        torchscript=job.torchscript,
        threads=job.threads or params.threads,
        length=params.window,
        warmup_batches=params.warmup_batches if params.warmup else 0,
        batch_size=job.batch_size,
    )
