"""GPU010 to GPU015: GPUs by an index other than 0, where one is visible."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from debug.gpu_auditing.findings import Finding
from debug.gpu_auditing.names import UNKNOWN, Module, argument, replaced

_DEVICE = re.compile(r"cuda:(\d+)")
#: Names that hold the index of a GPU wherever they stand.
_INDEX_NAMES = (
    *("gpu_device_index", "gpu_index", "gpu_id", "gpu_number", "gpu_num", "main_gpu"),
    *("cuda_device", "cuda_index", "cuda_device_index", "cuda_id", "device_index", "device_id", "device_idx"),
)
_SETTERS = (
    *("torch.cuda.set_device", "torch.cuda.device", "torch.accelerator.set_device_index"),
    *("torch.accelerator.set_device_idx", "cupy.cuda.Device", "numba.cuda.select_device"),
)
#: Methods of tensors and modules that move to a device.
_MOVES = ("to", "cuda")
_SPREAD = ("device_ids", "gpus", "gpu_ids")


def look(module: Module) -> Iterator[Finding]:
    """What breaks these rules."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=str()) | ast.JoinedStr() | ast.BinOp(op=ast.Add()):
                yield from _string(module, node)
            case ast.Call():
                yield from _call(module, node)
            case (
                ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value)
            ):
                yield from _named(module, _last_name(target), value)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    name = key.value if isinstance(key, ast.Constant) else None
                    yield from _named(module, name if isinstance(name, str) else "", value)
            case ast.arguments():
                yield from _defaults(module, node)


def _string(module: Module, node: ast.expr) -> Iterator[Finding]:
    """A whole string that is a device; one that is compared, or part of a longer one, is not used as one."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Compare | ast.Expr | ast.JoinedStr | ast.BinOp | ast.FormattedValue):
        return
    match = _DEVICE.fullmatch(value) if isinstance(value := module.value(node), str) else None
    if match and int(match[1]) > 0:
        edit = replaced(node, '"cuda:0"') if isinstance(node, ast.Constant) else None
        yield module.found("GPU010", node, f"{value}: the one visible GPU is cuda:0.", edit)


def _call(module: Module, node: ast.Call) -> Iterator[Finding]:
    name = module.called(node.func)
    if name == "torch.device":
        kind = module.value(argument(node, 0, "type", "device"))
        yield from _wrong(module, "GPU011", argument(node, 1, "index"), "torch.device")
        if isinstance(kind, int):
            yield from _wrong(module, "GPU011", argument(node, 0, "type", "device"), "torch.device")
    elif name in _SETTERS:
        yield from _wrong(module, "GPU012", argument(node, 0, "device", "index"), name)
    elif name.startswith("torch.cuda."):
        yield from _wrong(module, "GPU013", argument(node, 0, "device"), name)
    elif isinstance(node.func, ast.Attribute) and node.func.attr in _MOVES:
        yield from _wrong(module, "GPU013", argument(node, 0, "device"), f".{node.func.attr}()")
    for keyword in node.keywords:
        yield from _named(module, keyword.arg or "", keyword.value)
        if keyword.arg == "device" and not name.startswith("torch.") and not _is_move(node):
            yield from _wrong(module, "GPU014", keyword.value, "device")


def _is_move(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in _MOVES


def _named(module: Module, name: str, value: ast.expr) -> Iterator[Finding]:
    if name.lower() in _INDEX_NAMES:
        yield from _wrong(module, "GPU014", value, name)
    elif name.lower() in _SPREAD and isinstance(value, ast.List | ast.Tuple):
        indices = [module.value(one) for one in value.elts]
        if any(type(one) is int and one > 0 for one in indices):
            yield module.found("GPU015", value, f"{name} spreads work over {len(indices)} GPUs: one is visible.")


def _defaults(module: Module, node: ast.arguments) -> Iterator[Finding]:
    """The defaults of a function's parameters."""
    positional = [*node.posonlyargs, *node.args]
    with_default = zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True)
    for parameter, value in [*with_default, *zip(node.kwonlyargs, node.kw_defaults, strict=True)]:
        if value is not None:
            yield from _named(module, parameter.arg, value)


def _wrong(module: Module, rule: str, value: ast.expr | None, what: str) -> Iterator[Finding]:
    """An index that is not 0; what it is made of may be told elsewhere in the file."""
    index = module.value(value)
    if value is None or index is UNKNOWN or type(index) is not int or index <= 0:
        return
    edit = replaced(value, "0") if isinstance(value, ast.Constant) else None
    yield module.found(rule, value, f"{what} gets index {index}: the one visible GPU is 0.", edit)


def _last_name(target: ast.expr) -> str:
    """The name that is assigned to: `gpu_id`, `self.gpu_id`, `config["gpu_id"]`."""
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
    return ""
