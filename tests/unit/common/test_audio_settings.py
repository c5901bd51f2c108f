"""What STEP4's settings mean together: profiles, precision, devices, batches, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workflow_scripts.common.audio_parameters import PARAMETERS, PROFILES
from workflow_scripts.common.audio_settings import (
    TOKEN_VARIABLES,
    AudioPlan,
    audio_plan,
    automatic_batch,
    pipeline_parameters,
    profile_line,
    token_variable,
)
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.settings import resolve

PARTS = {"segmentation": {"min_duration_off": 0.0}, "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8}}
GB = 1_000_000_000


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting from outside."""
    for name in (*TOKEN_VARIABLES, *(name for p in PARAMETERS for name in p.variables)):
        monkeypatch.delenv(name, raising=False)


def plan(**given: object) -> AudioPlan:
    """The plan of what is given on the command line."""
    return audio_plan(resolve(PARAMETERS, None, given))


def refused(**given: object) -> str:
    """The sentence with which settings are refused."""
    with pytest.raises(UsageError) as error:
        plan(**given)
    return str(error.value)


def test_without_settings_everything_is_fp32_in_batches_that_fit() -> None:
    found = plan()
    assert (found.profile, found.canonical, found.engine, found.device) == ("gpu_fp32", "gpu_fp32", "auto", "auto")
    assert not found.amp and found.half("cuda") is None and found.half("cpu") is None
    assert found.batch_size is None and found.first_batch("cpu", None, "a token") == 32
    assert found.first_batch("cpu", None, None) == 8
    assert (found.speech_threshold, found.shortest_speech, found.threads) == (0.5, 0.3, 0)
    assert (found.speakers, found.min_speakers, found.max_speakers) == (None,) * 3
    assert found.consistency_check and found.profiling and not found.partial_success_ok
    assert found.notes == ()


@pytest.mark.parametrize("profile", PROFILES)
def test_half_precision_belongs_to_one_profile_and_to_cuda_alone(profile: str) -> None:
    found = plan(profile=profile)
    assert found.amp == (profile == "gpu_optimized")
    assert found.half("cuda") == ("float16" if profile == "gpu_optimized" else None)
    assert found.half("cpu") is None


def test_an_alias_of_a_profile_means_the_same_and_keeps_its_name() -> None:
    assert (plan(profile="gpu_no_amp").canonical, plan(profile="gpu_no_amp").profile) == ("gpu_fp32", "gpu_no_amp")
    assert plan(profile="cpu_only").canonical == "cpu"
    assert plan(profile="cpu").device == plan(profile="cpu_only").device == "cpu"


@pytest.mark.parametrize("profile", [name for name in PROFILES if name != "gpu_optimized"])
def test_nothing_but_its_profile_switches_half_precision_on(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_ENABLE_AMP", "1")
    said = refused(profile=profile)
    assert f"profile = {profile} (command line --profile)" in said
    assert "enable_amp = True (environment AUDIO_ENABLE_AMP)" in said
    assert "contradict each other. Only profile gpu_optimized computes in half precision" in said


def test_saying_no_to_half_precision_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_PROFILE", "gpu_optimized")
    assert plan(enable_amp="true").amp
    monkeypatch.setenv("AUDIO_ENABLE_AMP", "0")
    assert not plan().amp and plan().half("cuda") is None and plan().notes == ()


@pytest.mark.parametrize("given", [{}, {"engine": "embedded"}, {"audio_device": "cpu"}])
def test_half_precision_that_may_have_no_effect_is_noted(given: dict[str, str]) -> None:
    (note,) = plan(profile="gpu_optimized", **given).notes
    assert "has an effect on CUDA only" in note
    assert plan(profile="gpu_optimized", audio_device="cuda").notes == ()


def test_either_name_of_the_device_counts_and_auto_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_DEVICE", "auto")
    monkeypatch.setenv("PYANNOTE_DEVICE", "cuda")
    assert plan().device == "cuda"
    monkeypatch.setenv("AUDIO_DEVICE", "cuda")
    assert plan().device == "cuda"
    assert plan(pyannote_device="auto").device == "cuda"
    monkeypatch.setenv("PYANNOTE_DEVICE", "")
    assert plan(audio_device="cpu").device == "cpu"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"audio_device": "cpu", "pyannote_device": "cuda"}, "audio_device = cpu"),
        ({"profile": "cpu", "audio_device": "cuda"}, "Choose profile gpu_fp32"),
        ({"profile": "cpu_only", "pyannote_device": "cuda"}, "pyannote_device = cuda"),
        ({"num_speakers": 2, "min_speakers": 2}, "the exact number or limits, not both"),
        ({"num_speakers": 2, "max_speakers": 3}, "max_speakers = 3"),
        ({"min_speakers": 3, "max_speakers": 2}, "The smallest number is above the largest"),
        ({"engine": "embedded", "pyannote_model": "/model"}, "Leave pyannote_model out"),
        ({"engine": "embedded", "pyannote_config": "/file.json"}, "Leave pyannote_config out"),
    ],
)
def test_settings_that_contradict_each_other_are_refused_with_both(given: dict[str, object], words: str) -> None:
    said = refused(**given)
    assert words in said and "contradict each other" in said
    assert all(f"{name} = {value} (command line" in said for name, value in given.items())


def test_settings_that_agree_are_not_refused() -> None:
    assert plan(profile="cpu", audio_device="cpu", pyannote_device="cpu").device == "cpu"
    assert plan(min_speakers=2, max_speakers=2).max_speakers == 2
    assert plan(num_speakers=1).speakers == 1
    assert plan(min_speakers=4).min_speakers == 4


def test_the_batch_has_two_variables_of_one_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_PYANNOTE_BATCH_SIZE", "8")
    assert plan().batch_size == 8
    monkeypatch.setenv("PYANNOTE_BATCH_SIZE", "8")
    assert plan().batch_size == 8
    monkeypatch.setenv("PYANNOTE_BATCH_SIZE", "auto")
    assert "PYANNOTE_BATCH_SIZE" in refused() and "AUDIO_PYANNOTE_BATCH_SIZE" in refused()
    monkeypatch.delenv("AUDIO_PYANNOTE_BATCH_SIZE")
    assert plan().batch_size is None


def test_the_optimized_profile_takes_sixteen_unless_a_number_is_given() -> None:
    assert plan(profile="gpu_optimized").first_batch("cuda", 4 * GB, None) == 16
    assert plan(profile="gpu_optimized", enable_amp=False).batch_size == 16
    assert plan(profile="gpu_optimized", batch_size=4).first_batch("cuda", 24 * GB, None) == 4
    assert plan(batch_size=2).first_batch("cpu", None, "a token") == 2


def test_the_automatic_batch_is_one_below_six_gigabytes_and_grows() -> None:
    batches = [automatic_batch(memory * GB) for memory in (0, 4, 6, 8, 12, 20, 80)]
    assert batches == [1, 1, 4, 8, 16, 32, 32]
    assert automatic_batch(6 * GB - 1) == 1
    assert automatic_batch(None) == 32


def test_a_gpu_whose_memory_nobody_knows_gets_the_smallest_batch() -> None:
    assert plan().first_batch("cuda", None, None) == 1
    assert plan().first_batch("cpu", 24 * GB, "a token") == 32


@pytest.mark.parametrize(
    ("given", "device", "batch", "line"),
    [
        ({}, "cuda", 1, "gpu_fp32 appliqué (AMP=0, batch_size=1, FP32 pur - cohérence CPU)"),
        ({}, "cpu", 32, "gpu_fp32 appliqué (AMP=0, batch_size=32, FP32 pur sur CPU - référence)"),
        (
            {"profile": "gpu_no_amp"},
            "cuda",
            8,
            "gpu_no_amp appliqué (AMP=0, batch_size=8, FP32 pur - cohérence CPU)",
        ),
        ({"profile": "cpu"}, "cpu", 32, "cpu appliqué (AMP=0, batch_size=32, FP32 pur sur CPU - référence)"),
        (
            {"profile": "gpu_optimized"},
            "cuda",
            16,
            "gpu_optimized appliqué (AMP=1, batch_size=16, FP16 - cohérence vérifiée par vidéo)",
        ),
        (
            {"profile": "gpu_optimized", "enable_amp": False},
            "cuda",
            16,
            "gpu_optimized appliqué (AMP=0, batch_size=16, FP32 pur - cohérence CPU)",
        ),
        (
            {"profile": "gpu_optimized"},
            "cpu",
            16,
            "gpu_optimized appliqué (AMP=0, batch_size=16, FP32 pur sur CPU - référence)",
        ),
    ],
)
def test_the_line_of_the_log_tells_what_is_really_done(
    given: dict[str, object], device: str, batch: int, line: str
) -> None:
    assert profile_line(plan(**given), device, batch) == f"AUDIO_PROFILE={line}"


def test_only_half_precision_that_is_no_longer_wanted_redoes_a_video() -> None:
    assert "float16" in (plan().reason_to_redo("float16") or "")
    assert plan(profile="gpu_optimized").reason_to_redo("float16") is None
    assert plan(profile="gpu_optimized").reason_to_redo(None) is None
    assert plan().reason_to_redo(None) is None


def test_where_how_fast_and_how_loud_redo_nothing() -> None:
    assert set(resolve(PARAMETERS, None, {}).fingerprint()) == {
        "num_speakers",
        "min_speakers",
        "max_speakers",
        "speech_threshold",
        "min_speech_duration_ms",
    }


@pytest.mark.parametrize(
    ("engine", "model", "token", "pyannote"),
    [
        ("auto", None, None, False),
        ("auto", None, "hf_x", True),
        ("auto", "/model", None, True),
        ("embedded", None, "hf_x", False),
        ("pyannote", None, None, True),
    ],
)
def test_pyannote_runs_where_it_is_asked_for_or_configured(
    engine: str, model: str | None, token: str | None, pyannote: bool
) -> None:
    assert plan(engine=engine, pyannote_model=model).wants_pyannote(token) == pyannote


def test_the_first_token_that_is_set_counts() -> None:
    assert token_variable({}) is None
    assert token_variable({"HF_TOKEN": "one"}) == "HF_TOKEN"
    assert token_variable({"HF_TOKEN": "one", "PYANNOTE_TOKEN": "two"}) == "PYANNOTE_TOKEN"
    assert token_variable({"HF_TOKEN": "one", "PYANNOTE_TOKEN": ""}) == "HF_TOKEN"


def test_the_house_has_parameters_for_the_hubs_pipeline_alone(tmp_path: Path) -> None:
    assert plan().pyannote_parameters == PARTS
    assert plan(engine="embedded").pyannote_parameters is None
    assert plan(pyannote_model="/model").pyannote_parameters is None  # it has its own
    (tmp_path / "mine.json").write_text('{"clustering": {"threshold": 1}}')
    mine = plan(pyannote_model="/model", pyannote_config=str(tmp_path / "mine.json"))
    assert mine.pyannote_parameters == {"clustering": {"threshold": 1}}


def test_without_the_file_of_the_house_the_pipeline_keeps_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path))
    assert plan().pyannote_parameters is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "1",
        '{"clustering": 0.6}',
        '{"clustering": {"Fa": "0.1"}}',
        '{"clustering": {"Fa": true}}',
        '{"clustering": {"Fa": NaN}}',
        '{"clustering": {"Fa": null}}',
    ],
)
def test_garbage_for_pipeline_parameters_is_a_sentence_before_anything_starts(tmp_path: Path, content: str) -> None:
    (tmp_path / "garbage.json").write_text(content)
    said = refused(pyannote_config=str(tmp_path / "garbage.json"))
    assert said.startswith("garbage.json: ") and "pyannote's parameters" in said


def test_a_file_of_pipeline_parameters_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: .* cannot be read"):
        pipeline_parameters(tmp_path / "none.json")


def test_every_default_is_allowed_and_can_stand_in_a_file() -> None:
    assert json.loads(json.dumps({p.name: p.default for p in PARAMETERS}))
    assert all(p.default is None or p.parse(p.default, "default") == p.default for p in PARAMETERS)
