"""The embedded engine: no account, no network connection, networks from installed packages.

Speech is heard by silero-vad and, where setup has put it, by a segmentation network that also hears several
people at once; GE2E embeddings of 1.6 s windows are clustered into speakers. On the CPU in FP32 it gives the same
answer on any number of cores. The sound is read piece by piece, several times over: what is kept of it are some
bytes for each 10 ms frame and an embedding for each window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workflow_scripts.common.manifest import ModelRecord
from workflow_scripts.step4.activity import leading_speaker, speaker_activity, turns
from workflow_scripts.step4.clustering import cluster
from workflow_scripts.step4.contacts import contacts_of
from workflow_scripts.step4.engine import (
    REFERENCE,
    SAMPLE_RATE,
    Diarization,
    Mode,
    Observer,
    Progress,
    Sound,
    SpeakerCount,
    diarization,
    unobserved,
)
from workflow_scripts.step4.local_speakers import (
    LocalSpeech,
    leading_voice,
    local_speech,
    voices,
)
from workflow_scripts.step4.mel import FRAME_RATE, MelSpectrogram, frame_count
from workflow_scripts.step4.model_files import PinnedFile, ge2e_file, segmentation_file, silero_file
from workflow_scripts.step4.segmentation import BATCH_CHUNKS, SpeakerSegmentation, chunk_count
from workflow_scripts.step4.sound import clean_sound, mean_power
from workflow_scripts.step4.speaker_embedding import BATCH_WINDOWS, SpeakerEmbedding
from workflow_scripts.step4.speech import HYSTERESIS, loud_probabilities, speech_frames, speech_score
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
        mode: Mode = REFERENCE,
    ) -> None:
        """Load the networks.

        Args:
            threshold: probability from which there is speech.
            shortest_speech_seconds: shorter stretches of speech are dropped.
            segmentation: the segmentation network's file; None is the variant without it.
            mode: how the segmentation network and the encoder are computed; the detector is always FP32 on the
                CPU.
        Raises:
            PreconditionError: a model file is missing or not the pinned one.
        """
        self._batch_size = BATCH_CHUNKS
        self._mode = mode
        self._threshold = threshold
        self._shortest = shortest_speech_seconds
        self._detector = VoiceActivity(silero_file())
        self._segmentation = SpeakerSegmentation(segmentation, mode) if segmentation else None
        self._embedding = SpeakerEmbedding(ge2e_file(), mode)

    @classmethod
    def installed(cls, threshold: float, shortest_speech_seconds: float, mode: Mode = REFERENCE) -> EmbeddedEngine:
        """The engine with everything that is installed here."""
        file = segmentation_file()
        segmentation = file if file.path.is_file() else None
        return cls(threshold, shortest_speech_seconds, segmentation=segmentation, mode=mode)

    @property
    def batch_size(self) -> int:
        """Chunks per call of the segmentation network; on the CPU always its own, the quickest there."""
        return BATCH_CHUNKS if self._mode.device == "cpu" else self._batch_size

    @batch_size.setter
    def batch_size(self, chunks: int) -> None:
        self._batch_size = chunks

    @property
    def mode(self) -> Mode:
        """How its networks are computed."""
        return self._mode

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

    def diarize(
        self, sound: Sound, speakers: SpeakerCount, progress: Progress, observer: Observer | None = None
    ) -> Diarization:
        """Return who speaks when in a mono sound of 16 kHz."""
        sound, seen = clean_sound(sound), observer or unobserved
        duration = len(sound) / SAMPLE_RATE
        if not len(sound):
            return diarization([], 0.0)
        detector = loud_probabilities(self._detector, sound, frame_count(len(sound)), FRAME_RATE)
        progress(_HEARD, PROGRESS_TOTAL)
        local = self._local_speech(sound, _share(progress, _HEARD, _SEGMENTED), seen)
        score = speech_score(detector, local.score if local else None, self._threshold)
        speech = speech_frames(score, self._threshold, 0.0 if local else HYSTERESIS, self._shortest)
        if not speech.any():
            progress(PROGRESS_TOTAL, PROGRESS_TOTAL)
            return diarization([], duration, score)
        local = local.within(speech) if local else None
        windows = windows_of(_comparable(speech, local))
        embeddings = self._embedding.embed(
            MelWindows(MelSpectrogram(sound, mean_power(sound)), windows),
            _share(progress, _SEGMENTED, PROGRESS_TOTAL),
            seen,
            self._batch(BATCH_WINDOWS),
        )
        labels = cluster(embeddings, windows, contacts_of(windows, local) if local else None, speakers)
        leading = leading_speaker(len(speech), windows, embeddings, labels)
        found = int(labels.max(initial=0)) + 1
        return diarization(turns(speaker_activity(speech, leading, local, found)), duration, score)

    def _local_speech(self, sound: Sound, progress: Progress, observer: Observer) -> LocalSpeech | None:
        if self._segmentation is None:
            return None
        batches = self._segmentation.chunks(sound, progress, observer, self._batch(BATCH_CHUNKS))
        return local_speech(batches, chunk_count(len(sound)), frame_count(len(sound)))

    def _batch(self, usual: int) -> int:
        """Items per call of a network, of which so many are usual."""
        return max(1, usual * self.batch_size // BATCH_CHUNKS)


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
