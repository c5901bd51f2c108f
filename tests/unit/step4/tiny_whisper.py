"""A Whisper model of a megabyte, written with CTranslate2's own classes, that says one sentence whatever it hears.

Loading, feature extraction, encoder, search, word alignment and language detection are the real ones. The decoder's
hidden state is the one-hot position of a token, and the output projection picks the scripted token for it: so the
sentence comes over speech, silence and noise alike, as the inventions of a real model do. Its words are aligned in
turn, evenly, from the beginning of a window to the sentence's end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

LANGUAGES = ("en", "fr", "de")
SENTENCE = " Bonjour à tous."
WIDTH, HEADS, MELS = 48, 2, 80
#: Tokens of the script before the first of the sentence.
_PROMPT = 3
#: Frames of the encoder in a second.
_FRAMES = 50
#: Half of the hidden state is the head whose looking aligns the words: a dimension a token, the last for the rest.
_REST = WIDTH // HEADS - 1


def build(
    folder: Path, sentence: str = SENTENCE, end: float = 2.0, language: str = "fr", certainty: float = 3.0
) -> Path:
    """Write the model.

    Args:
        folder: where to.
        sentence: what it says in every window, with the space before it.
        end: when in the window it ends, in seconds.
        language: what it takes every sound for.
        certainty: how far the scripted token is above all others; small makes it unsure.
    """
    from ctranslate2.specs import whisper_spec

    folder.mkdir(parents=True, exist_ok=True)
    tokens = _tokenizer(sentence, folder / "tokenizer.json")
    spec = whisper_spec.WhisperSpec(1, HEADS, 1, HEADS)
    random = np.random.default_rng(0)
    script = _script(tokens, sentence, end, language)
    _encoder(spec.encoder, random, len(script) - _PROMPT - 2, end)
    _decoder(spec.decoder, tokens.get_vocab_size(), script, certainty)
    names = [tokens.id_to_token(number) for number in range(tokens.get_vocab_size())]
    spec.register_vocabulary(["" if name == "<empty>" else name for name in names])  # an empty one: multilingual
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = [tokens.token_to_id("<|endoftext|>")]
    spec.config.lang_ids = [tokens.token_to_id(f"<|{code}|>") for code in LANGUAGES]
    spec.config.alignment_heads = [[0, 0]]
    spec.validate()
    spec.save(str(folder))
    features = {"feature_size": MELS, "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400}
    (folder / "preprocessor_config.json").write_text(json.dumps(features))
    return folder


def _tokenizer(sentence: str, path: Path) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokens = Tokenizer(models.BPE())
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokens.train_from_iterator([sentence] * 4, trainer)

    def add(names: list[str]) -> None:
        tokens.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])

    tokens.add_tokens([AddedToken("<empty>", special=False, normalized=False)])
    add(["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in LANGUAGES)])
    add(["<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"])
    add([f"<|{place * 0.02:.2f}|>" for place in range(1501)])
    tokens.save(str(path))
    return tokens


def _script(tokens: Any, sentence: str, end: float, language: str) -> list[int]:
    """The token after each position; the prompt is the start, the language and the task."""
    said = tokens.encode(sentence).ids
    marks = [f"<|{language}|>", "<|transcribe|>", "<|0.00|>"]
    script = [*map(tokens.token_to_id, marks), *said, tokens.token_to_id(f"<|{end:.2f}|>")]
    return [*script, tokens.token_to_id("<|endoftext|>")]


def _zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def _norm(layer: Any) -> None:
    layer.gamma, layer.beta = np.ones(WIDTH, np.float32), _zeros(WIDTH)


def _linear(layer: Any, out: int, into: int, weight: np.ndarray | None = None) -> None:
    layer.weight, layer.bias = _zeros(out, into) if weight is None else weight, _zeros(out)


def _feed_forward(layer: Any) -> None:
    _norm(layer.layer_norm)
    _linear(layer.linear_0, 4 * WIDTH, WIDTH)
    _linear(layer.linear_1, WIDTH, 4 * WIDTH)


def _encoder(encoder: Any, random: np.random.Generator, said: int, end: float) -> None:
    def some(*shape: int) -> np.ndarray:
        return (random.normal(size=shape) * 0.01).astype(np.float32)

    assert said <= _REST, "a longer sentence needs a wider model"
    places = _zeros(1500, WIDTH)
    for frame in range(1500):
        token = int(frame / _FRAMES / end * said)
        places[frame, token if token < said else _REST] = 10.0

    encoder.conv1.weight, encoder.conv1.bias = some(WIDTH, MELS, 3), _zeros(WIDTH)
    encoder.conv2.weight, encoder.conv2.bias = some(WIDTH, WIDTH, 3), _zeros(WIDTH)
    encoder.position_encodings.encodings = places
    _norm(encoder.layer_norm)
    for layer in encoder.layer:
        _norm(layer.self_attention.layer_norm)
        _linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
        _linear(layer.self_attention.linear[1], WIDTH, WIDTH)
        _feed_forward(layer.ffn)


def _decoder(decoder: Any, vocabulary: int, script: list[int], certainty: float) -> None:
    assert len(script) <= WIDTH, "a longer sentence needs a wider model"
    decoder.embeddings.weight = _zeros(vocabulary, WIDTH)
    positions, projection = _zeros(448, WIDTH), _zeros(vocabulary, WIDTH)
    for place in range(448):
        positions[place, min(place, len(script) - 1)] = 10.0
    for place, token in enumerate(script):
        projection[token, place] += certainty
    decoder.position_encodings.encodings = positions
    decoder.projection.weight = projection
    _norm(decoder.layer_norm)
    for layer in decoder.layer:
        _norm(layer.self_attention.layer_norm)
        _linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
        _linear(layer.self_attention.linear[1], WIDTH, WIDTH)
        _norm(layer.attention.layer_norm)
        # Words are aligned by what the cross-attention looks at; its values stay zero and change no token.
        queries, keys = (
            _zeros(WIDTH, WIDTH),
            np.concatenate([np.eye(WIDTH, dtype=np.float32), _zeros(WIDTH, WIDTH)]),
        )
        for place in range(_PROMPT, len(script)):
            queries[min(place - _PROMPT, _REST), place] = 2.0
        _linear(layer.attention.linear[0], WIDTH, WIDTH, queries)
        _linear(layer.attention.linear[1], 2 * WIDTH, WIDTH, keys)
        _linear(layer.attention.linear[2], WIDTH, WIDTH)
        _feed_forward(layer.ffn)
