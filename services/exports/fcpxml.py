"""Final Cut Pro XML (`.fcpxml`): a project whose timeline is the video, cut at every shot, with its sound.

Written here, for opentimelineio's adapter is given up: it needs a module that Python dropped in 3.9, writes version
1.8, asks ffprobe for the size, and rounds times to floating point. Version 1.9 is the oldest with today's grammar
(`media-rep`), and so the one most programs read: Final Cut Pro from 10.4.9, DaVinci Resolve from 17 on.

Times are exact multiples of the frame duration: `4600/2500s` is frame 46 at 25 frames/s. A gradual transition is
footage, no edit: the cut stays where it is, and a marker names it.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from services.exports.shot_list import ShotList
from workflow_scripts.common.clock import FrameClock
from workflow_scripts.common.timeline import Shot, Transition

VERSION = "1.9"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE fcpxml>\n'
#: Characters that XML 1.0 cannot hold even escaped; names have no control characters any more.
_NO_XML = re.compile("[\ufffe\uffff]")
_FORMAT, _ASSET = "r1", "r2"


def render_fcpxml(shot_list: ShotList) -> str:
    """The shots as an FCPXML document, valid against Apple's DTD."""
    root = Element("fcpxml", version=VERSION)
    _add_resources(SubElement(root, "resources"), shot_list)
    title, clock = _text(shot_list.title), shot_list.clock
    event = SubElement(SubElement(root, "library"), "event", name=title)
    sequence = SubElement(
        SubElement(event, "project", name=title),
        "sequence",
        format=_FORMAT,
        duration=_time(clock.frames, clock),
        tcStart="0s",
        tcFormat="NDF",
    )
    spine = SubElement(sequence, "spine")
    for number, shot in enumerate(shot_list.shots, 1):
        _add_clip(spine, number, shot, shot_list)
    ElementTree.indent(root, " ")
    return _HEAD + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_resources(resources: Element, shot_list: ShotList) -> None:
    clock = shot_list.clock
    SubElement(
        resources,
        "format",
        id=_FORMAT,
        frameDuration=_time(1, clock),
        width=str(shot_list.width),
        height=str(shot_list.height),
    )
    asset = SubElement(
        resources,
        "asset",
        id=_ASSET,
        name=_text(shot_list.name),
        start="0s",
        duration=_time(clock.frames, clock),
        hasVideo="1",
        format=_FORMAT,
    )
    if shot_list.sound is not None:
        rate, channels = str(shot_list.sound.rate), str(shot_list.sound.channels)
        asset.attrib |= {"hasAudio": "1", "audioSources": "1", "audioChannels": channels, "audioRate": rate}
    SubElement(asset, "media-rep", kind="original-media", src=shot_list.url)


def _add_clip(spine: Element, number: int, shot: Shot, shot_list: ShotList) -> None:
    clock, begin = shot_list.clock, _time(shot.start, shot_list.clock)
    clip = SubElement(
        spine,
        "asset-clip",
        ref=_ASSET,
        name=f"Shot {number}",
        offset=begin,
        start=begin,
        duration=_time(len(shot), clock),
        format=_FORMAT,
        tcFormat="NDF",
    )
    gradual = shot_list.gradual(shot)
    if gradual is not None:
        SubElement(clip, "marker", start=begin, duration=_time(1, clock), value=_described(gradual))


def _described(transition: Transition) -> str:
    return f"Gradual transition, frames {transition.first} to {transition.last}"


def _time(frames: int, clock: FrameClock) -> str:
    """That many frames in exact seconds, as Final Cut Pro writes them: `4600/2500s`, `46046/24000s`, `0s`."""
    fine = 100 if clock.fps.denominator == 1 else 1
    return f"{frames * clock.fps.denominator * fine}/{clock.fps.numerator * fine}s" if frames else "0s"


def _text(name: str) -> str:
    return _NO_XML.sub("\ufffd", name)
