"""The embedded engine: no account, no network connection, networks from installed packages, always on the CPU.

Speech is heard by silero-vad and, where setup has put it, by a segmentation network that also hears several
people at once; GE2E embeddings of 1.6 s windows are clustered into speakers. It runs in FP32 and gives the same
answer on any number of cores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.step4.activity import leading_speaker, speaker_activity, turns
from workflow_scripts.step4.clustering import cluster
from workflow_scripts.step4.contacts import contacts_of
from workflow_scripts.step4.engine import (
    SAMPLE_RATE,
    Diarization,
    Progress,
    SpeakerCount,
    Waveform,
    clean_waveform,
    diarization,
)
from workflow_scripts.step4.local_speakers import (
    LocalSpeech,
    leading_voice,
    local_speech,
    voices,
)
from workflow_scripts.step4.mel import frame_count, mel_spectrogram
from workflow_scripts.step4.model_files import PinnedFile, ge2e_file, segmentation_file, silero_file
from workflow_scripts.step4.segmentation import SpeakerSegmentation
from workflow_scripts.step4.speaker_embedding import SpeakerEmbedding
from workflow_scripts.step4.speech import on_frames, raising_gain, speech_frames
from workflow_scripts.step4.voice_activity import VoiceActivity
from workflow_scripts.step4.windows import NO_SPEECH, MelWindows, windows_of

PROGRESS_TOTAL = 1000
"""Progress is told in thousandths; the shares are those measured on two cores."""
_HEARD, _SEGMENTED = 50, 600


class EmbeddedEngine:
    """silero-vad, GE2E embeddings and clustering; with the segmentation network, overlapping speech too."""

    def __init__(
        self,
        threshold: float = 0.5,
        shortest_speech_seconds: float = 0.3,
        *,
        segmentation: PinnedFile | None = None,
    ) -> None:
        """Load the networks.

        Args:
            threshold: probability from which there is speech.
            shortest_speech_seconds: shorter stretches of speech are dropped.
            segmentation: the segmentation network's file; None is the variant without it.
        Raises:
            PreconditionError: a model file is missing or not the pinned one.
        """
        self.batch_size = 1  # fixed inside, so that answers do not depend on it
        self._threshold = threshold
        self._shortest = shortest_speech_seconds
        self._detector = VoiceActivity(silero_file())
        self._segmentation = SpeakerSegmentation(segmentation) if segmentation else None
        self._embedding = SpeakerEmbedding(ge2e_file())

    @classmethod
    def installed(cls, threshold: float, shortest_speech_seconds: float) -> EmbeddedEngine:
        """The engine with everything that is installed here."""
        file = segmentation_file()
        return cls(threshold, shortest_speech_seconds, segmentation=file if file.path.is_file() else None)

    @property
    def name(self) -> str:
        """`embedded (silero + GE2E)`, or with `segmentation +` where that network is installed."""
        network = "segmentation + " if self._segmentation else ""
        return f"embedded ({network}silero + GE2E)"

    @property
    def models(self) -> tuple[ModelRecord, ...]:
        """The networks that are loaded."""
        segmentation = (self._segmentation.model,) if self._segmentation else ()
        return (self._detector.model, *segmentation, self._embedding.model)

    def diarize(self, waveform: Waveform, speakers: SpeakerCount, progress: Progress) -> Diarization:
        """Return who speaks when in a mono sound of 16 kHz."""
        sound = clean_waveform(waveform)
        duration = len(sound) / SAMPLE_RATE
        if not len(sound):
            return diarization([], 0.0)
        frames = frame_count(len(sound))
        detector = self._heard(sound, frames)
        progress(_HEARD, PROGRESS_TOTAL)
        local = self._local_speech(sound, frames, _share(progress, _HEARD, _SEGMENTED))
        speech = speech_frames(detector, local.score if local else None, self._threshold, self._shortest)
        if not speech.any():
            progress(PROGRESS_TOTAL, PROGRESS_TOTAL)
            return diarization([], duration)
        local = local.within(speech) if local else None
        windows = windows_of(_comparable(speech, local))
        embeddings = self._embedding.embed(
            MelWindows(mel_spectrogram(sound), windows), _share(progress, _SEGMENTED, PROGRESS_TOTAL)
        )
        labels = cluster(embeddings, windows, contacts_of(windows, local) if local else None, speakers)
        leading = leading_speaker(len(speech), windows, embeddings, labels)
        found = int(labels.max(initial=0)) + 1
        return diarization(turns(speaker_activity(speech, leading, local, found)), duration)

    def _heard(self, sound: Waveform, frames: int) -> NDArray[np.float32]:
        """The detector's probability of speech, heard at the sound's own level and raised, float32 `(frames,)`."""
        own = on_frames(self._detector.probabilities(sound), frames)
        gain = raising_gain(sound)
        if gain == 1.0:
            return own
        return np.maximum(own, on_frames(self._detector.probabilities(sound, gain), frames))

    def _local_speech(self, sound: Waveform, frames: int, progress: Progress) -> LocalSpeech | None:
        if self._segmentation is None:
            return None
        return local_speech(self._segmentation.chunks(sound, progress), frames)


def _comparable(speech: NDArray[np.bool_], local: LocalSpeech | None) -> NDArray[np.int64]:
    """The voice of each frame in which one person speaks, NO_SPEECH elsewhere: int64 `(frames,)`."""
    if local is None:
        return np.where(speech, 0, NO_SPEECH)
    alone = speech & (np.rint(local.count) <= 1)
    return np.where(alone, leading_voice(local, voices(local)), NO_SPEECH)


def _share(progress: Progress, first: int, last: int) -> Progress:
    """Progress of one phase as a share of the whole, from `first` to `last` thousandths."""

    def report(done: int, total: int) -> None:
        progress(first + (last - first) * done // max(1, total), PROGRESS_TOTAL)

    return report
