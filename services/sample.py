"""A sample project whose truth is known: where its cuts are, how many people speak and of what, where a face is.

The pictures are drawn here, but for one photograph of a face that matplotlib's package holds; the sound is the
half-minute telephone call that pyannote.audio's package holds (two speakers). Nothing is fetched.
"""

from __future__ import annotations

import wave
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt

from services import environments
from workflow_scripts.common.errors import PreconditionError

Picture = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 640, 360
#: Where the face is in matplotlib's photograph of Grace Hopper, 512x600: its centre in pixels.
FACE_X, FACE_Y = 265, 215


@dataclass(frozen=True)
class SampleShot:
    """A shot of the sample: its length in frames of the sample's own rate, and what it shows."""

    frames: int
    shows: str

    @property
    def has_face(self) -> bool:
        """Whether a face is in the picture."""
        return self.shows.startswith("face")


@dataclass(frozen=True)
class SampleVideo:
    """A video of the sample; `speakers` is None where it has no sound, `names` are places that they speak of."""

    name: str
    fps: Fraction
    shots: tuple[SampleShot, ...]
    speakers: int | None
    names: tuple[str, ...] = ()

    @property
    def cuts(self) -> list[int]:
        """Where shots after the first begin, in frames of the 25 fps video."""
        edges = list(accumulate(shot.frames for shot in self.shots))[:-1]
        return [round(edge * 25 / self.fps) for edge in edges]

    @property
    def face_frames(self) -> list[int]:
        """The frames of the 25 fps video that show a face."""
        edges = [0, *self.cuts, round(sum(shot.frames for shot in self.shots) * 25 / self.fps)]
        spans = zip(self.shots, edges, edges[1:], strict=False)
        return [frame for shot, start, end in spans if shot.has_face for frame in range(start, end)]


#: An interview as a phone would leave it (Matroska, 30 frames/s, speech), and a silent trailer that is already as
#: STEP2 wants it. The names are of the kind real projects have.
SAMPLE = (
    SampleVideo(
        "Débat – l’été.mkv",
        Fraction(30),
        tuple(
            SampleShot(frames, shows)
            for frames, shows in (
                (120, "face close"),
                (150, "hills"),
                (180, "face wide"),
                (90, "discs"),
                (150, "face close mirrored"),
                (120, "clouds"),
                (90, "face wide mirrored"),
            )
        ),
        speakers=2,
        names=("New Jersey", "Texas", "Chicago"),
    ),
    SampleVideo(
        "Bande annonce .mp4",
        Fraction(25),
        (SampleShot(75, "discs"), SampleShot(100, "face wide"), SampleShot(75, "clouds")),
        speakers=None,
    ),
)


def write_sample(archive: Path, videos: tuple[SampleVideo, ...] = SAMPLE) -> None:
    """Write the sample project as a zip, its videos in one folder.

    Raises:
        PreconditionError: the environment whose package holds the sound is missing.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as target:
        for video in videos:
            path = archive.parent / f".{archive.stem}-video{Path(video.name).suffix}"
            try:
                render(video, path)
                target.write(path, f"{archive.stem}/{video.name}")
            finally:
                path.unlink(missing_ok=True)


def render(video: SampleVideo, path: Path) -> None:
    """Encode a sample video: H.264 with B-frames, and AAC where it has sound."""
    with av.open(str(path), "w") as container:
        picture: Any = container.add_stream("libx264", rate=video.fps)
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.options = {"crf": "20", "preset": "veryfast"}
        sound: Any = container.add_stream("aac", rate=48000, layout="mono") if video.speakers else None
        for frame in pictures(video.shots):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        container.mux(picture.encode())
        if sound is not None:
            for block in _sound_frames(speech_file()):
                container.mux(sound.encode(block))
            container.mux(sound.encode())


def speech_file() -> Path:
    """The recorded call inside pyannote.audio's package: 16 kHz mono, 30 s, two speakers.

    Raises:
        PreconditionError: the package is not installed.
    """
    path = environments.find("audio_env").site_packages / "pyannote" / "audio" / "sample" / "sample.wav"
    if not path.is_file():
        raise PreconditionError("The sample needs the environment audio_env.", hint="Run scripts/setup audio_env.")
    return path


def _sound_frames(path: Path) -> Iterator[av.AudioFrame]:
    with wave.open(str(path)) as sound:
        rate = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=48000)
    for start in range(0, len(samples), rate):
        block = av.AudioFrame.from_ndarray(samples[None, start : start + rate], "s16", "mono")
        block.sample_rate, block.pts = rate, start
        yield from resampler.resample(block)


def pictures(shots: tuple[SampleShot, ...]) -> Iterator[Picture]:
    """Every frame of the shots in turn, uint8 (360, 640, 3) RGB; each shot moves slowly."""
    for number, shot in enumerate(shots):
        kind, *options = shot.shows.split()
        for index in range(shot.frames):
            yield SCENES[kind](index, number, options)


def _face(index: int, _seed: int, options: list[str]) -> Picture:
    """A slow zoom into the photograph, the face always wholly inside."""
    photo = _photograph()
    width = (420.0 if "close" in options else 512.0) - 0.25 * index
    height = width * HEIGHT / WIDTH
    left = np.clip(FACE_X - width / 2 + 0.15 * index, 0, photo.shape[1] - width)
    top = np.clip(FACE_Y - height / 2, 0, photo.shape[0] - height)
    scale = WIDTH / width
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]], np.float64)
    picture = cv2.warpAffine(photo, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
    return np.ascontiguousarray(picture[:, ::-1] if "mirrored" in options else picture).astype(np.uint8)


@cache
def _photograph() -> Picture:
    path = environments.find("env").site_packages / "matplotlib" / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    image = cv2.imread(str(path))
    if image is None:
        raise PreconditionError("matplotlib's photograph is missing.", hint="Run scripts/setup env --force.")
    return np.array(image[:, :, ::-1], np.uint8)


def _hills(index: int, seed: int, _options: list[str]) -> Picture:
    """Ridges before a morning sky, moving sideways at three speeds."""
    sky = np.linspace([120, 160, 220], [250, 220, 180], HEIGHT)[:, None]
    picture = np.broadcast_to(sky, (HEIGHT, WIDTH, 3)).copy()
    columns = np.arange(WIDTH)
    for layer, colour in enumerate(([110, 130, 120], [70, 100, 70], [35, 60, 35])):
        place = (columns + index * (layer + 1)) / (90 - 20 * layer)
        ridge = HEIGHT * (0.45 + 0.17 * layer) + 28 * np.sin(place + seed) + 12 * np.sin(2.7 * place)
        picture[np.arange(HEIGHT)[:, None] > ridge[None]] = colour
    return picture.astype(np.uint8)


def _discs(index: int, seed: int, _options: list[str]) -> Picture:
    """Bright discs that drift over a dark floor."""
    picture = np.full((HEIGHT, WIDTH, 3), (25, 15, 40), np.uint8)
    generator = np.random.default_rng(seed)
    for _ in range(14):
        x, y, radius = generator.integers([0, 0, 12], [WIDTH, HEIGHT, 48])
        speed, colour = generator.uniform(-2, 2, 2), generator.integers(90, 256, 3)
        centre = (int(x + speed[0] * index) % WIDTH, int(y + speed[1] * index) % HEIGHT)
        cv2.circle(picture, centre, int(radius), tuple(int(c) for c in colour), -1, cv2.LINE_AA)
    return picture


def _clouds(index: int, seed: int, _options: list[str]) -> Picture:
    """Soft clouds that pass."""
    small = np.random.default_rng(seed).random((12, 30)).astype(np.float32)
    large = cv2.resize(small, (WIDTH * 2, HEIGHT), interpolation=cv2.INTER_CUBIC)
    part = large[:, index : index + WIDTH, None].clip(0, 1)
    picture: Picture = (np.array([90, 140, 200]) * (1 - part) + np.array([245, 245, 250]) * part).astype(np.uint8)
    return picture


SCENES: dict[str, Callable[[int, int, list[str]], Picture]] = {
    "face": _face,
    "hills": _hills,
    "discs": _discs,
    "clouds": _clouds,
}
