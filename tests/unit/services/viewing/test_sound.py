"""Turns and speech for a viewer."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from services.viewing.sound import SpeakerView, TurnView, sound, speakers
from workflow_scripts.common.artifacts.audio import FrameAudio, write_reduced_audio
from workflow_scripts.common.artifacts.rttm import write_rttm
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.projects import Video
from workflow_scripts.common.timeline import Turn

RATE = Fraction(25)
TURNS = (Turn(0.2, 0.6, "SPEAKER_00", 0.7), Turn(0.4, 1.0, "SPEAKER_01"), Turn(1.6, 2.0, "SPEAKER_00", 0.9))


def test_turns_and_speech_come_whole_where_they_touch_the_range(get: Any, write: Any) -> None:
    write.sound(*TURNS)
    found = sound(get("sound"), RATE, 0, 10)
    assert found.turns == [
        TurnView(0.2, 0.6, "SPEAKER_00", 0.7),
        TurnView(0.4, 1.0, "SPEAKER_01", None),
        TurnView(1.6, 2.0, "SPEAKER_00", 0.9),
    ]
    assert found.speech == [(0.2, 1.0), (1.6, 2.0)]
    part = sound(get("sound"), RATE, 0.6, 1.6)
    assert (part.turns, part.speech) == ([TurnView(0.4, 1.0, "SPEAKER_01", None)], [(0.2, 1.0)])


def test_speakers_come_with_what_they_say(get: Any, write: Any) -> None:
    write.sound(*TURNS)
    assert speakers(get("sound"), 2.0) == [
        SpeakerView("SPEAKER_00", 0.8, 0.4),
        SpeakerView("SPEAKER_01", 0.6, 0.3),
    ]


def test_speech_is_what_the_delivered_file_says_now(get: Any, write: Any, video: Video) -> None:
    write.sound(*TURNS)
    get("sound")
    frames = [FrameAudio(10 <= frame < 20, ()) for frame in range(50)]
    write_reduced_audio(video.delivered("_audio.json"), frames, FrameClock(RATE, 50))
    assert sound(get("sound"), RATE, 0, 10).speech == [(0.4, 0.8)]


def test_without_scores_the_turns_come_from_the_rttm_else_from_the_frames(
    get: Any, write: Any, video: Video
) -> None:
    write.sound(*TURNS)
    (video.workflow / "turns.json").unlink()
    assert sound(get("sound"), RATE, 0, 10).turns[0] == TurnView(0.2, 0.6, "SPEAKER_00", None)
    write_rttm(video.delivered(".rttm"), video.name, [Turn(0.1, 0.3, "SPEAKER_07")])
    assert sound(get("sound"), RATE, 0, 10).turns == [TurnView(0.1, 0.3, "SPEAKER_07", None)]


def test_a_video_in_which_nobody_speaks_has_no_speakers(get: Any, write: Any) -> None:
    write.sound()
    index = get("sound")
    assert speakers(index, 2.0) == []
    assert (sound(index, RATE, 0, 10).turns, sound(index, RATE, 0, 10).speech) == ([], [])
