"""What a step may see of the environment."""

from __future__ import annotations

from services.supervision.step_command import step_environment

OURS = {
    "PATH": "/bin",
    "LC_ALL": "fr_FR.UTF-8",
    "CUDA_VISIBLE_DEVICES": "0",
    "WORKFLOW_DATA_DIR": "/data",
    "WORKFLOW_EVENTS": "/another/step",
    "WORKFLOW_TOKEN": "hidden",
    "HF_TOKEN": "hidden",
    "AWS_SECRET_ACCESS_KEY": "hidden",
    "PYTHONPATH": "/elsewhere",
    "AUDIO_PROFILE": "cpu",
}


def test_only_what_is_allowed_or_declared_is_passed_on() -> None:
    assert step_environment(["AUDIO_PROFILE", "NOT_SET"], {"CUDA_VISIBLE_DEVICES": "GPU-1"}, OURS) == {
        "PATH": "/bin",
        "LC_ALL": "fr_FR.UTF-8",
        "CUDA_VISIBLE_DEVICES": "GPU-1",
        "WORKFLOW_DATA_DIR": "/data",
        "AUDIO_PROFILE": "cpu",
        "PYTHONUNBUFFERED": "1",
    }


def test_a_token_goes_only_to_a_step_that_asks_for_it_by_name() -> None:
    assert "hidden" not in step_environment(source=OURS).values()
    assert step_environment(["HF_TOKEN"], source=OURS)["HF_TOKEN"] == "hidden"
