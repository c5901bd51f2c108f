"""The texts that the scripts need of every page on which there is something to read that was said."""

from __future__ import annotations

from flask_babel import gettext as _


def said_words() -> dict[str, str]:
    """Texts by name in the language of the page; `filled` of static/js/words.js puts values in."""
    return {
        "hits_all": _("found: %(all)s"),
        "hits_none": _("not found"),
        "hits_of": _("%(hit)s of %(all)s"),
        "rows_of": _("%(first)s–%(last)s of %(all)s"),
        "speaker_unknown": _("Speaker not known"),
        "word_sure": _("%(share)s sure"),
        "word_unsure": _("unsure, %(share)s"),
    }
