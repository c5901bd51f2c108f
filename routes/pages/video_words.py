"""The texts that the scripts of the video page need."""

from __future__ import annotations

from flask_babel import gettext as _

from routes.pages.phrases import STEPS
from routes.pages.said_words import said_words
from services.viewing.sources import STEP_OF


def video_words() -> dict[str, str]:
    """Texts by name in the language of the page; `filled` of static/js/words.js puts values in."""
    return {
        **said_words(),
        "agreement": _("%(share)s the same; differences: %(n)s."),
        "anybody": _("Anybody"),
        "boxes_wait": _("The faces of frame %(frame)s are being loaded"),
        "cannot_play": _("The browser cannot play this video."),
        "compare_nothing": _("Nothing"),
        "cut_gradual": _("gradual, frames %(first)s–%(last)s"),
        "cut_hard": _("hard cut"),
        "cut_unknown": _("cut"),
        "differs_count": _("number of faces"),
        "differs_for": _("They differ for %(seconds)s s."),
        "differs_moved": _("moved"),
        "differs_only_now": _("only now"),
        "differs_only_then": _("only then"),
        "differs_place": _("place of a face"),
        "differs_speakers": _("other speakers"),
        "differs_speaking": _("who speaks"),
        "face_told": _("%(face)s · frames %(first)s–%(last)s · speaks in %(share)s"),
        "figure_faces": _("Faces in all frames"),
        "figure_frames": _("Frames"),
        "figure_frames_with_faces": _("Frames with faces"),
        "figure_identities": _("Identities"),
        "figure_shots": _("Shots"),
        "figure_speakers": _("Speakers"),
        "figure_speaking_faces": _("Speaking faces in all frames"),
        "figure_speech_seconds": _("Seconds of speech"),
        "figure_turns": _("Turns"),
        "first_shot": _("beginning of the video"),
        "going_to": _("Going to frame %(frame)s"),
        "making_faces": _("faces"),
        "making_frames": _("faces"),
        "making_peaks": _("sound"),
        "making_scores": _("cut probability"),
        "making_shots": _("shots"),
        "making_sound": _("speech"),
        "making_speech": _("speech"),
        "making_thumbnails": _("pictures"),
        "making_video": _("video for the browser"),
        "making_words": _("words"),
        "no_face_here": _("none"),
        "no_faces": _("No face was found in this video."),
        "no_sound": _("This video has no sound."),
        "no_speech": _("no speech"),
        "no_such_frame": _("The video has no such frame."),
        "no_word": _("no word"),
        "no_words": _("No word was recognised in this video."),
        "nobody_speaks": _("Nobody speaks in this video."),
        "none_faces": _("No faces to list."),
        "none_shots": _("No shots to list."),
        "none_turns": _("No turns to list."),
        "not_loaded": _("being loaded"),
        "not_measured": _(
            "This video has not been converted yet, so its frames have no numbers. Convert it first."
        ),
        "old_browser": _("This browser cannot tell which frame it shows. A newer one can."),
        "pause": _("Pause"),
        "play": _("Play"),
        "preparing": _("Being prepared…"),
        "preparing_what": _("Being prepared: %(what)s"),
        "problem": _("Could not be loaded: %(what)s. %(why)s"),
        "scores_told": _("frame %(frames)s · shot ends %(single)s · in a transition %(many)s"),
        "shot_of": _("%(shot)s of %(all)s, frames %(first)s–%(last)s"),
        "shot_told": _("Shot %(shot)s · frames %(first)s–%(last)s"),
        "silent": _("silent"),
        "speaks": _("speaks"),
        "speech": _("speech"),
        "step_failed": _("“%(step)s” failed."),
        "step_pending": _("“%(step)s” has not been done yet."),
        "turn_told": _("%(speaker)s · %(from)s–%(to)s s · score %(score)s"),
        "word_told": _("%(word)s · %(speaker)s · %(from)s–%(to)s s"),
        **{f"step_{key}": str(STEPS[key]) for key in STEP_OF.values()},
    }
