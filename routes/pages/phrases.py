"""Words that are not in a template: states, steps, quality gates, the links of the bar."""

from __future__ import annotations

from flask_babel import LazyString, gettext, lazy_gettext

#: The word for each state that anything has.
STATES: dict[str, LazyString] = {
    "queued": lazy_gettext("Waiting"),
    "running": lazy_gettext("Running"),
    "paused": lazy_gettext("Paused"),
    "stalled": lazy_gettext("Stalled"),
    "succeeded": lazy_gettext("Done"),
    "degraded": lazy_gettext("Degraded"),
    "failed": lazy_gettext("Failed"),
    "cancelled": lazy_gettext("Cancelled"),
    "interrupted": lazy_gettext("Interrupted"),
    "skipped": lazy_gettext("Left out"),
    "outdated": lazy_gettext("Outdated"),
    "pending": lazy_gettext("To do"),
    "ok": lazy_gettext("In order"),
    "note": lazy_gettext("Note"),
    "problem": lazy_gettext("Problem"),
    "passed": lazy_gettext("Passed"),
    "unknown": lazy_gettext("Not known"),
}
#: The icon of each state (templates/icons.html).
STATE_ICONS = {
    "queued": "clock",
    "running": "play",
    "paused": "pause",
    "stalled": "warning",
    "succeeded": "check",
    "degraded": "warning",
    "failed": "cross",
    "cancelled": "stop",
    "interrupted": "warning",
    "skipped": "skip",
    "outdated": "retry",
    "pending": "dot",
    "ok": "check",
    "note": "info",
    "problem": "cross",
    "passed": "check",
    "unknown": "dot",
}
#: The title of each step of config/workflow.toml; a step of one's own keeps the title it has there.
STEPS: dict[str, LazyString] = {
    "STEP1": lazy_gettext("Extract archives"),
    "STEP2": lazy_gettext("Convert videos"),
    "STEP3": lazy_gettext("Find shots"),
    "STEP4": lazy_gettext("Analyse speech and speakers"),
    "STEP4B": lazy_gettext("Transcribe speech"),
    "STEP5": lazy_gettext("Track faces"),
    "STEP6": lazy_gettext("Reduce"),
    "STEP7": lazy_gettext("Deliver"),
}

#: The quality gates by the names that manifests give them; others keep theirs.
GATES: dict[str, LazyString] = {
    "broken tracks per minute": lazy_gettext("broken tracks per minute"),
    "end of sound against picture (s)": lazy_gettext("end of sound against picture (s)"),
    "files delivered / files finished": lazy_gettext("files delivered / files finished"),
    "first detection against FP32 on the CPU (s)": lazy_gettext("first detection against FP32 on the CPU (s)"),
    "first picture (s)": lazy_gettext("first picture (s)"),
    "first speech frame": lazy_gettext("first speech frame"),
    "frames": lazy_gettext("frames"),
    "frames present / frames decoded": lazy_gettext("frames present / frames decoded"),
    "frames whose labels contradict speech": lazy_gettext("frames whose labels contradict speech"),
    "labels present wherever speech is": lazy_gettext("labels present wherever speech is"),
    "length against source (s)": lazy_gettext("length against source (s)"),
    "new identities per minute": lazy_gettext("new identities per minute"),
    "reduced audio size / raw": lazy_gettext("reduced audio size / raw"),
    "share of frames with a face": lazy_gettext("share of frames with a face"),
    "shortest shot (frames)": lazy_gettext("shortest shot (frames)"),
    "sound against picture (s)": lazy_gettext("sound against picture (s)"),
    "sound frames / picture frames": lazy_gettext("sound frames / picture frames"),
    "speech against FP32 on the CPU (points)": lazy_gettext("speech against FP32 on the CPU (points)"),
    "speech against an independent detector (points)": lazy_gettext(
        "speech against an independent detector (points)"
    ),
    "streams": lazy_gettext("streams"),
    "tracks that cross a cut": lazy_gettext("tracks that cross a cut"),
}

#: Bytes, and each a thousand of the one before.
UNITS = (lazy_gettext("B"), lazy_gettext("kB"), lazy_gettext("MB"), lazy_gettext("GB"), lazy_gettext("TB"))


def navigation() -> list[tuple[str, str, str]]:
    """The links of the bar: address, text, and the area that a page belongs to."""
    return [
        ("/", gettext("Pipeline"), "pipeline"),
        ("/transcribe", gettext("Transcribe"), "transcribe"),
        ("/history", gettext("History"), "history"),
        ("/system", gettext("System"), "system"),
        ("/settings", gettext("Settings"), "settings"),
        ("/docs", gettext("API"), "docs"),
    ]


def shared_words() -> dict[str, str | list[str]]:
    """The texts that scripts of every page need."""
    return {
        "connection_live": gettext("Live"),
        "connection_lost": gettext("Connection lost"),
        "left": gettext("%(time)s left"),
        "notifications_on": gettext("Notifications are on"),
        "notifications_off": gettext("Notifications are off"),
        "run_ended": gettext("Run %(run)s: %(state)s"),
        "units": [str(unit) for unit in UNITS],
        **{f"state_{state}": str(word) for state, word in STATES.items()},
    }
