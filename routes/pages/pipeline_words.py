"""The texts that the scripts of the pipeline page need."""

from __future__ import annotations

from flask_babel import gettext


def words() -> dict[str, str]:
    """Each text in the page's language, by the name that the scripts know it by."""
    return {
        "chosen": gettext("%(n)s ticked"),
        "shown_of": gettext("All %(n)s that are shown"),
        "start_all": gettext("Start all steps"),
        "start_some": gettext("Start: %(steps)s"),
        "start_on": gettext("%(what)s · %(n)s projects"),
        "start_on_one": gettext("%(what)s · 1 project"),
        "place": gettext("Place %(n)s in the sequence"),
        "whole_left": gettext("about %(time)s left in all"),
        "waiting": gettext("waits for its turn"),
        "sending": gettext("%(percent)s of %(size)s · %(rate)s/s"),
        "sending_left": gettext("%(percent)s of %(size)s · %(rate)s/s · %(time)s left"),
        "paused": gettext("paused at %(percent)s of %(size)s"),
        "retrying": gettext("no connection, tried again by itself · %(percent)s of %(size)s"),
        "stored": gettext("in the inbox as “%(name)s”"),
        "whole": gettext("has come; waits for the other videos of its project"),
        "elsewhere": gettext("%(percent)s of %(size)s · choose the file again to go on"),
        "unreadable": gettext("the file cannot be read any more: it was changed or removed"),
        "not_taken": gettext("this is neither an archive nor a video"),
        "together": gettext("%(n)s videos"),
        "uploads_busy": gettext("%(n)s on their way"),
        "uploads_over": gettext("nothing on its way"),
        "priority": gettext("priority"),
        "force": gettext("also what is done already"),
        "parameters": gettext("changed parameters: %(n)s"),
        "failed": gettext("it was refused"),
    }
