"""Voice activity: silero-vad's sequence network over the whole sound, in blocks of constant memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from workflow_scripts.step4.engine import SAMPLE_RATE, Sound
from workflow_scripts.step4.model_files import PinnedFile

FRAME_SAMPLES = 512
"""Samples per decision of the network: 32 ms."""
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
CONTEXT_SAMPLES = 64
"""Samples of the previous frame that the network sees before each frame."""
BLOCK_FRAMES = 1024
"""Frames per call: 33 s of sound, 2.4 MB of input; the state is carried from call to call."""


class VoiceActivity:
    """silero-vad through onnxruntime; one thread, so that the answer does not depend on the machine."""

    def __init__(self, file: PinnedFile) -> None:
        self.model = file.verified()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(file.path), options, providers=["CPUExecutionProvider"])

    def probabilities(self, sound: Sound, gain: float = 1.0) -> Iterator[NDArray[np.float32]]:
        """Yield the probability of speech per 32 ms frame, float32 `(frames,)` per block, in order.

        The sound is heard `gain` times as loud, within [-1, 1]. The last frame is filled up with silence; a sound
        without samples yields nothing.
        """
        hidden = np.zeros((1, 1, 128), np.float32)
        cell = np.zeros((1, 1, 128), np.float32)
        block = BLOCK_FRAMES * FRAME_SAMPLES
        for start in range(0, len(sound), block):
            frames = _frames_with_context(sound, start, min(start + block, len(sound)))
            if gain != 1.0:
                frames = np.clip(frames * np.float32(gain), -1, 1)
            scores, hidden, cell = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": frames, "h": hidden, "c": cell}
            )
            yield np.asarray(scores, np.float32).reshape(-1)


def _frames_with_context(sound: Sound, start: int, end: int) -> NDArray[np.float32]:
    """Cut `[start, end)` into frames, each preceded by the 64 samples before it: float32 `(frames, 576)`."""
    count = -(-(end - start) // FRAME_SAMPLES)
    padded = np.zeros(CONTEXT_SAMPLES + count * FRAME_SAMPLES, np.float32)
    first = max(0, start - CONTEXT_SAMPLES)
    padded[CONTEXT_SAMPLES - (start - first) : CONTEXT_SAMPLES + end - start] = sound[first:end]
    windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT_SAMPLES + FRAME_SAMPLES)
    return np.ascontiguousarray(windows[::FRAME_SAMPLES])
