"""The texts that the scripts of every page need that takes files."""

from __future__ import annotations

from flask_babel import gettext


def upload_words() -> dict[str, str]:
    """Each text in the page's language, by the name that the scripts know it by."""
    return {
        "waiting": gettext("waits for its turn"),
        "sending": gettext("%(percent)s of %(size)s · %(rate)s/s"),
        "sending_left": gettext("%(percent)s of %(size)s · %(rate)s/s · %(time)s left"),
        "paused": gettext("paused at %(percent)s of %(size)s"),
        "retrying": gettext("no connection, tried again by itself · %(percent)s of %(size)s"),
        "elsewhere": gettext("%(percent)s of %(size)s · choose the file again to go on"),
        "unreadable": gettext("the file cannot be read any more: it was changed or removed"),
        "uploads_busy": gettext("%(n)s on their way"),
        "uploads_over": gettext("nothing on its way"),
        "failed": gettext("it was refused"),
    }
