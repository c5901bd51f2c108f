"""The formats there are: how each is called, how its files end, what writes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.exports.edl import render_edl
from services.exports.fcpxml import render_fcpxml
from services.exports.scenedetect import render_scenes
from services.exports.shot_list import ShotList
from services.exports.table import render_table


@dataclass(frozen=True)
class Format:
    """One format: `suffix` follows the video's stem; no suffix ends with another, so no two files share a name."""

    name: str
    suffix: str
    render: Callable[[ShotList], str]


def _render_otio(shot_list: ShotList) -> str:
    """Import opentimelineio only here: the other commands of `scripts/workflow` need not wait for it."""
    from services.exports.otio import render_otio

    return render_otio(shot_list)


FORMATS = {
    one.name: one
    for one in (
        Format("edl", ".edl", render_edl),
        Format("fcpxml", ".fcpxml", render_fcpxml),
        Format("otio", ".otio", _render_otio),
        Format("csv", ".shots.csv", render_table),
        Format("scenedetect", "-Scenes.csv", render_scenes),
    )
}
