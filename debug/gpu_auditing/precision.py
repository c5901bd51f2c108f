"""GPU020 and GPU021: half precision that nobody asked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from debug.gpu_auditing.findings import Finding
from debug.gpu_auditing.names import UNKNOWN, Function, Module, argument

_SWITCH = re.compile(
    r"(?:use|enable|with|is)?_?(?:fp16|bf16|float16|half|half_precision|amp|autocast|mixed_precision)(?:_enabled)?"
)
_TYPE = re.compile(r"(?:compute|torch|model|weight|amp)?_?(?:dtype|compute_type|precision)")
_HALF_WORDS = ("float16", "fp16", "half", "bfloat16", "bf16", "int8_float16", "int8_bfloat16")
_HALF_TYPES = tuple(f"torch.{name}" for name in ("float16", "half", "bfloat16"))
_ON = ("1", "true", "yes", "on")
#: What these switch on is chosen by a person elsewhere: they only say which half precision it is then.
_KIND_NAMES = ("amp_dtype", "autocast_dtype")


def look(module: Module) -> Iterator[Finding]:
    """What breaks these rules."""
    for node in ast.walk(module.tree):
        match node:
            case ast.arguments():
                yield from _parameters(module, node)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if isinstance(module.parents.get(node), ast.Module | ast.ClassDef):
                    yield from _default(module, name, value)
            case ast.Call():
                yield from _call(module, node)


def _parameters(module: Module, node: ast.arguments) -> Iterator[Finding]:
    positional = [*node.posonlyargs, *node.args]
    with_default = zip(positional[len(positional) - len(node.defaults) :], node.defaults, strict=True)
    for parameter, value in [*with_default, *zip(node.kwonlyargs, node.kw_defaults, strict=True)]:
        if value is not None:
            yield from _default(module, parameter.arg, value)


def _default(module: Module, name: str, value: ast.expr) -> Iterator[Finding]:
    if _is_switch(name) and _is_on(module.value(value)):
        yield module.found("GPU020", value, f"{name} is on by default: half precision is to be asked for.")
    elif _TYPE.fullmatch(name.lower()) and name.lower() not in _KIND_NAMES and _is_half(module, value):
        yield module.found("GPU020", value, f"{name} is half precision by default: it is to be asked for.")


def _call(module: Module, node: ast.Call) -> Iterator[Finding]:
    name = module.called(node.func)
    last = name.rpartition(".")[2] or (node.func.attr if isinstance(node.func, ast.Attribute) else "")
    if last == "add_argument":
        yield from _option(module, node)
    elif name in ("os.environ.get", "os.getenv"):
        variable, default = module.value(argument(node, 0, "key")), module.value(argument(node, 1, "default"))
        words = variable.lower().split("_") if isinstance(variable, str) else []
        if _is_on(default) and any(_is_switch("_".join(words[at:])) for at in range(len(words))):
            yield module.found("GPU020", node, f"{variable} is on where it is not set: it is to be asked for.")
    elif name == "torch.set_default_dtype" and _is_half(module, argument(node, 0, "d")):
        yield module.found("GPU020", node, "The default type of all tensors is half precision.")
    elif not _is_a_choice(module, node):
        yield from _use(module, node, name, last)


def _option(module: Module, node: ast.Call) -> Iterator[Finding]:
    """An option of a command line that is on where it is not given."""
    names = [module.value(one) for one in node.args]
    switches = [name for name in names if isinstance(name, str) and _is_switch(name.lstrip("-").replace("-", "_"))]
    if switches and _is_on(module.value(argument(node, None, "default"))):
        yield module.found("GPU020", node, f"{switches[0]} is on by default: half precision is to be asked for.")


def _use(module: Module, node: ast.Call, name: str, last: str) -> Iterator[Finding]:
    if last == "half" and isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        yield module.found("GPU021", node, ".half() whatever was asked for.")
    elif last == "to" and any(_is_half(module, one) for one in (*node.args, argument(node, None, "dtype")) if one):
        yield module.found("GPU021", node, "Moved to half precision whatever was asked for.")
    elif name in ("torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast"):
        enabled = argument(node, None, "enabled")
        if enabled is None or module.value(enabled) is True:
            yield module.found("GPU021", node, "autocast whatever was asked for: give it enabled=.")


def _is_a_choice(module: Module, node: ast.AST) -> bool:
    """Whether something in the function decides that this is done."""
    for outer in module.enclosing(node):
        if isinstance(outer, ast.If | ast.IfExp | ast.match_case | ast.BoolOp):
            return True
        if isinstance(outer, Function | ast.Module):
            return False
    return False


def _is_switch(name: str) -> bool:
    return _SWITCH.fullmatch(name.lower()) is not None


def _is_on(value: object) -> bool:
    if value is UNKNOWN:
        return False
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in (*_ON, *_HALF_WORDS))


def _is_half(module: Module, node: ast.AST | None) -> bool:
    if node is None:
        return False
    value = module.value(node)
    return module.called(node) in _HALF_TYPES or (isinstance(value, str) and value.lower() in _HALF_WORDS)
