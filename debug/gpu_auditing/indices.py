"""GPU010 to GPU015: GPUs by an index other than 0, where one is visible."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from debug.gpu_auditing.findings import Finding
from debug.gpu_auditing.names import Module, argument, elements, parameters_with_default, replaced
from debug.gpu_auditing.uses import FRAMEWORKS, only_mentioned, speaks_of_gpus

#: `cuda:1` of torch, `/GPU:1` and `/device:GPU:1` of TensorFlow.
_DEVICE = re.compile(r"(cuda:|/(?:device:)?(?:GPU|gpu):)(\d+)")
#: Names that hold the index of a GPU wherever they stand.
_INDEX_NAME = re.compile(
    r"(?:\w*_)?(?:gpu|cuda)(?:_device)?_(?:index|idx|id|number|num|ordinal)|main_gpu|(?:\w*_)?(?:gpu|cuda)_device"
)
#: Names that hold one in files that speak of GPUs; of microphones and cameras elsewhere.
_DEVICE_INDEX_NAME = re.compile(r"(?:default)?_?device_(?:index|idx|id|ordinal)")
#: Libraries that count other devices.
_OTHER_DEVICES = ("sounddevice", "pyaudio", "pyaudiowpatch", "speech_recognition", "pvrecorder", "soundcard", "cv2")
_SETTERS = (
    *(
        "torch.cuda.set_device",
        "torch.cuda.device",
        "torch.set_default_device",
        "torch.accelerator.set_device_index",
    ),
    *(
        "torch.accelerator.set_device_idx",
        "cupy.cuda.Device",
        "cupy.cuda.runtime.setDevice",
        "numba.cuda.select_device",
    ),
)
#: Functions of torch.cuda that take a device, and its place among their arguments.
_FUNCTIONS = {
    **dict.fromkeys(
        (
            *("get_device_properties", "get_device_name", "get_device_capability", "mem_get_info", "synchronize"),
            *(
                "memory_allocated",
                "max_memory_allocated",
                "memory_reserved",
                "max_memory_reserved",
                "memory_cached",
            ),
            *("memory_stats", "memory_summary", "memory_usage", "device_memory_used", "list_gpu_processes"),
            *("reset_peak_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached", "get_rng_state"),
            *(
                "current_stream",
                "default_stream",
                "Stream",
                "utilization",
                "temperature",
                "power_draw",
                "clock_rate",
            ),
        ),
        0,
    ),
    **dict.fromkeys(("set_per_process_memory_fraction", "set_rng_state", "caching_allocator_alloc"), 1),
}
#: Methods of tensors and modules that move to a device.
_MOVES = ("to", "cuda")
_SPREAD = ("device_ids", "gpus", "gpu_ids")
_PARALLEL = ("torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel")


def look(module: Module) -> Iterator[Finding]:
    """What breaks these rules."""
    yield from _Reader(module).findings()


class _Reader:
    def __init__(self, module: Module) -> None:
        self._module = module
        self._counts_gpus = speaks_of_gpus(module)
        roots = {name.partition(".")[0] for name in module.imports.values()}
        #: What CUDA_VISIBLE_DEVICES is set to: numbers on the bus, no indices of what is visible.
        self._makes_visible = set(_names_made_visible(module))
        self._counts_others = not roots.isdisjoint(_OTHER_DEVICES)

    def findings(self) -> Iterator[Finding]:
        """What breaks these rules."""
        for node in self._module.nodes:
            match node:
                case ast.Constant(value=str()) | ast.JoinedStr() | ast.BinOp(op=ast.Add() | ast.Mod()):
                    yield from self._string(node)
                case ast.Call():
                    yield from self._call(node)
                case (
                    ast.Assign(targets=[target], value=value)
                    | ast.AnnAssign(target=target, value=ast.expr() as value)
                ):
                    if not (isinstance(target, ast.Name) and target.id in self._makes_visible):
                        yield from self._named(_last_name(target), value)
                case ast.Dict(keys=keys, values=values):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant) and isinstance(key.value, str):
                            yield from self._named(key.value, value, texts=key.value == "device_id")
                case ast.arguments():
                    for name, value in parameters_with_default(node):
                        yield from self._named(name, value)

    def _string(self, node: ast.expr) -> Iterator[Finding]:
        """A whole string that is a device."""
        texts = (one for one in self._module.values(node) if isinstance(one, str))
        match = next((found for text in texts if (found := _DEVICE.fullmatch(text)) and int(found[2]) > 0), None)
        if match is None or only_mentioned(self._module, node):
            return
        edit = replaced(node, f'"{match[1]}0"') if isinstance(node, ast.Constant) else None
        yield self._module.found("GPU010", node, f"{match[0]}: the one visible GPU is {match[1]}0.", edit)

    def _call(self, node: ast.Call) -> Iterator[Finding]:
        module = self._module
        name, last = module.called(node.func), module.last_name(node)
        function = name.rpartition(".")[2] if name.startswith("torch.cuda.") else ""
        is_move = isinstance(node.func, ast.Attribute) and last in _MOVES
        if isinstance(node.func, ast.Attribute) and last == "format" and isinstance(node.func.value, ast.Constant):
            yield from self._string(node)
        elif name == "torch.device":
            yield from self._wrong("GPU011", argument(node, 1, "index"), "torch.device")
            yield from self._wrong("GPU011", argument(node, 0, "type", "device"), "torch.device")
        elif name in _SETTERS:
            yield from self._wrong("GPU012", argument(node, 0, "device", "index"), name)
        elif (place := _FUNCTIONS.get(function)) is not None:
            yield from self._wrong("GPU013", argument(node, place, "device"), name)
        elif is_move and self._counts_gpus:
            yield from self._wrong("GPU013", argument(node, 0, "device"), f".{last}()")
        elif last in ("add_argument", "option"):
            yield from self._option(node)
        elif last in ("get", "pop", "setdefault", "getattr") and len(node.args) >= 2:
            key = module.value(node.args[-2])
            yield from self._named(key if isinstance(key, str) else "", node.args[-1])
        elif name in _PARALLEL and len(node.args) > 1:
            yield from self._spread("device_ids", node.args[1])
        for keyword in node.keywords:
            yield from self._keyword(node, name, keyword, is_move or name in _SETTERS or bool(function))

    def _keyword(self, node: ast.Call, name: str, keyword: ast.keyword, is_judged: bool) -> Iterator[Finding]:
        """An argument by name; of libraries that count other devices too what says that it is a GPU's."""
        own = name.partition(".")[0] in FRAMEWORKS
        yield from self._named(keyword.arg or "", keyword.value, own=own)
        if keyword.arg == "device" and not is_judged and name != "torch.device":
            if own or (self._counts_gpus and not self._counts_others):
                yield from self._wrong("GPU014", keyword.value, "device")
        elif keyword.arg == "device_map" and isinstance(keyword.value, ast.Dict):
            for value in keyword.value.values:
                yield from self._wrong("GPU014", value, "device_map")
        elif keyword.arg == "tensor_parallel_size" and (_first_index(self._module, keyword.value) or 0) > 1:
            yield self._module.found("GPU015", keyword.value, "Work is spread over several GPUs: one is visible.")

    def _option(self, node: ast.Call) -> Iterator[Finding]:
        """An option of a command line."""
        words = [self._module.value(one) for one in node.args]
        names = [word.lstrip("-").replace("-", "_") for word in words if isinstance(word, str)]
        default = argument(node, None, "default")
        name = next((one for one in names if one == "gpu" or self._is_index(one)), None)
        if name is not None and default is not None:
            yield from self._wrong("GPU014", default, name)

    def _named(self, name: str, value: ast.expr, *, own: bool = False, texts: bool = False) -> Iterator[Finding]:
        if self._is_index(name) or (own and _DEVICE_INDEX_NAME.fullmatch(name.lower())):
            yield from self._wrong("GPU014", value, name, texts=texts)
            yield from self._spread(name, value)
        elif name.lower() in _SPREAD or (own and name == "devices"):
            yield from self._spread(name, value)

    def _is_index(self, name: str) -> bool:
        small = name.lower()
        if _INDEX_NAME.fullmatch(small):
            return True
        return self._counts_gpus and not self._counts_others and bool(_DEVICE_INDEX_NAME.fullmatch(small))

    def _spread(self, name: str, value: ast.expr) -> Iterator[Finding]:
        indices = elements(self._module, value)
        if any(type(one) is int and one > 0 for one in indices):
            what = f"{name} spreads work over {len(indices)} GPUs" if len(indices) > 1 else f"{name} is {indices}"
            yield self._module.found("GPU015", value, f"{what}: one is visible, which is 0.")

    def _wrong(self, rule: str, value: ast.expr | None, what: str, *, texts: bool = False) -> Iterator[Finding]:
        """An index that is not 0, or that is another where nobody says otherwise."""
        index = _first_index(self._module, value, texts=texts)
        if value is None or index is None:
            return
        edit = replaced(value, "0") if isinstance(value, ast.Constant) else None
        yield self._module.found(rule, value, f"{what} gets index {index}: the one visible GPU is 0.", edit)


def _first_index(module: Module, value: ast.expr | None, *, texts: bool = False) -> int | None:
    """The first of an expression's values that is an index and not 0."""
    for one in module.values(value):
        index = int(one) if texts and isinstance(one, str) and one.isdecimal() else one
        if type(index) is int and index > 0:
            return index
    return None


def _names_made_visible(module: Module) -> Iterator[str]:
    for node in module.nodes:
        match node:
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value="CUDA_VISIBLE_DEVICES"))], value=value):
                yield from (one.id for one in ast.walk(value) if isinstance(one, ast.Name))


def _last_name(target: ast.expr) -> str:
    """The name that is assigned to: `gpu_id`, `self.gpu_id`, `config["gpu_id"]`."""
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""
