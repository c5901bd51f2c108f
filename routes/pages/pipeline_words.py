"""The texts that the scripts of the pipeline page need."""

from __future__ import annotations

from flask_babel import gettext

from routes.pages.upload_words import upload_words


def words() -> dict[str, str]:
    """Each text in the page's language, by the name that the scripts know it by."""
    return {
        **upload_words(),
        "chosen": gettext("%(n)s ticked"),
        "shown_of": gettext("All %(n)s that are shown"),
        "start_all": gettext("Start all steps"),
        "start_some": gettext("Start: %(steps)s"),
        "start_on": gettext("%(what)s · %(n)s projects"),
        "start_on_one": gettext("%(what)s · 1 project"),
        "place": gettext("Place %(n)s in the sequence"),
        "whole_left": gettext("about %(time)s left in all"),
        "stored": gettext("in the inbox as “%(name)s”"),
        "whole": gettext("has come; waits for the other videos of its project"),
        "not_taken": gettext("this is neither an archive nor a video"),
        "together": gettext("%(n)s videos"),
        "priority": gettext("priority"),
        "force": gettext("also what is done already"),
        "parameters": gettext("changed parameters: %(n)s"),
    }
