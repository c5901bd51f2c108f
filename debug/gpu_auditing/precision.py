"""GPU020 and GPU021: half precision that nobody asked for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from debug.gpu_auditing.findings import Finding
from debug.gpu_auditing.names import UNKNOWN, Module, argument, parameters_with_default
from debug.gpu_auditing.uses import speaks_of_gpus

_SWITCH = re.compile(
    r"_?(?:use|enable|with|is)?_?(?:fp16|bf16|float16|half|half_precision|amp|autocast|mixed_precision)(?:_enabled)?"
)
_TYPE = re.compile(r"_?(?:compute|torch|model|weight|amp|mixed)?_?(?:dtype|compute_type|precision)")
_HALF_WORDS = (
    "float16",
    "fp16",
    "half",
    "bfloat16",
    "bf16",
    "int8_float16",
    "int8_bfloat16",
    "16-mixed",
    "bf16-mixed",
)
_HALF_TYPES = tuple(f"torch.{name}" for name in ("float16", "half", "bfloat16"))
_ON = ("1", "true", "yes", "on")
#: What these switch on is chosen by a person elsewhere: they only say which half precision it is then.
_KIND_NAMES = ("amp_dtype", "autocast_dtype")
_AUTOCASTS = ("torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.amp.autocast_mode.autocast")
#: Libraries that compute on the CPU alone, where half precision only saves space.
_ON_THE_CPU = ("numpy", "pandas", "scipy")
#: Calls that declare what may be chosen.
_DECLARATIONS = ("add_argument", "option", "field", "Field", "Option", "Argument")
#: Words of a question that only asks whether there is a GPU, and of one about precision.
_ABOUT_GPU = re.compile(r"is_available|cuda|gpu|device", re.IGNORECASE)
_ABOUT_HALF = re.compile(r"half|16|amp|autocast|precision|dtype|compute_type", re.IGNORECASE)


def look(module: Module) -> Iterator[Finding]:
    """What breaks these rules."""
    for node in module.nodes:
        match node:
            case ast.arguments():
                for name, value in parameters_with_default(node):
                    yield from _default(module, name, value)
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                if isinstance(module.parents.get(node), ast.Module | ast.ClassDef):
                    yield from _default(module, name, value)
            case (
                ast.Assign(targets=[ast.Attribute(attr=name)], value=value)
                | ast.AnnAssign(target=ast.Attribute(attr=name), value=ast.expr() as value)
                | ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=value)
            ):
                if not _is_a_choice(module, node):
                    yield from _default(module, name, value)
            case ast.Dict(keys=keys, values=values) if _is_assigned(module, node):
                for key, value in zip(keys, values, strict=True):
                    name = key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""
                    if _is_type(name) or module.value(value) is True:  # else a table that translates names of types
                        yield from _default(module, name, value)
            case ast.Call():
                yield from _call(module, node)


def _is_assigned(module: Module, table: ast.Dict) -> bool:
    """Whether a table, or one that it is part of, is given a name: others are what somebody asks for."""
    outers = module.enclosing(table)
    outer = next((one for one in outers if not isinstance(one, ast.Dict)), None)
    return isinstance(outer, ast.Assign | ast.AnnAssign)


def _default(module: Module, name: str, value: ast.expr) -> Iterator[Finding]:
    if _is_switch(name) and _is_on_anyway(module, value):
        yield module.found("GPU020", value, f"{name} is on by default: half precision is to be asked for.")
    elif _is_type(name) and _is_half_anyway(module, value):
        yield module.found("GPU020", value, f"{name} is half precision by default: it is to be asked for.")


def _call(module: Module, node: ast.Call) -> Iterator[Finding]:
    name, last = module.called(node.func), module.last_name(node)
    if last in ("add_argument", "option"):
        yield from _option(module, node)
    elif name in ("os.environ.get", "os.getenv"):
        variable, default = module.value(argument(node, 0, "key")), module.value(argument(node, 1, "default"))
        words = variable.lower().split("_") if isinstance(variable, str) else []
        if _is_on(default) and any(_is_switch("_".join(words[at:])) for at in range(len(words))):
            yield module.found("GPU020", node, f"{variable} is on where it is not set: it is to be asked for.")
    elif name == "torch.set_default_dtype" and _is_half(module, argument(node, 0, "d")):
        yield module.found("GPU020", node, "The default type of all tensors is half precision.")
    elif last not in _DECLARATIONS and not _is_a_choice(module, node):
        yield from _use(module, node, name, last)


def _option(module: Module, node: ast.Call) -> Iterator[Finding]:
    """An option of a command line that is on where it is not given."""
    words = [module.value(one) for one in (*node.args, *(k.value for k in node.keywords if k.arg == "dest"))]
    names = [part for word in words if isinstance(word, str) for part in word.split("/")]
    plain = {name.lstrip("-").replace("-", "_"): name for name in names}
    switch = next((name for bare, name in plain.items() if _is_switch(bare)), None)
    default = argument(node, None, "default")
    action = module.value(argument(node, None, "action"))
    on = _is_on(module.value(default)) if default is not None else action == "store_false"
    kind = next((name for bare, name in plain.items() if _is_type(bare)), None)
    if switch is not None and on:
        yield module.found("GPU020", node, f"{switch} is on by default: half precision is to be asked for.")
    elif kind is not None and default is not None and _is_half_anyway(module, default):
        yield module.found("GPU020", node, f"{kind} is half precision by default: it is to be asked for.")


def _use(module: Module, node: ast.Call, name: str, last: str) -> Iterator[Finding]:
    if name.partition(".")[0] in _ON_THE_CPU:
        return
    is_bare = isinstance(node.func, ast.Attribute) and not node.args and not node.keywords
    if last in ("half", "bfloat16") and is_bare:
        yield module.found("GPU021", node, f".{last}() whatever was asked for.")
    elif last in ("to", "type") and any(
        _is_half_anyway(module, one) for one in (*node.args, argument(node, None, "dtype")) if one
    ):
        yield module.found("GPU021", node, "Moved to half precision whatever was asked for.")
    elif name in _AUTOCASTS:
        enabled = argument(node, None, "enabled")
        if enabled is None or module.value(enabled) is True:
            yield module.found("GPU021", node, "autocast whatever was asked for: give it enabled=.")
    else:
        for keyword in node.keywords:
            given = keyword.arg or ""
            if given == "half" and not speaks_of_gpus(module):
                continue  # of an angle, or of a page
            if _is_switch(given) and _is_on_anyway(module, keyword.value):
                yield module.found("GPU021", keyword.value, f"{given} is on whatever was asked for.")
            elif _is_type(given) and _is_half_anyway(module, keyword.value):
                yield module.found("GPU021", keyword.value, f"{given} is half precision whatever was asked for.")


def _is_a_choice(module: Module, node: ast.AST) -> bool:
    """Whether something in the function decides that this is done, more than that there is a GPU."""
    inner = node
    for outer in module.enclosing(node):
        match outer:
            case ast.If(test=test) | ast.IfExp(test=test):
                if inner is not test and not _asks_only_for_a_gpu(test):
                    return True
            case ast.match_case() | ast.BoolOp():
                return True
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                return bool(_ABOUT_HALF.search(name))
            case ast.Module():
                return False
        inner = outer
    return False


def _asks_only_for_a_gpu(test: ast.expr) -> bool:
    words = ast.unparse(test)
    return bool(_ABOUT_GPU.search(words)) and not _ABOUT_HALF.search(words)


def _is_half_anyway(module: Module, node: ast.expr) -> bool:
    """Whether an expression is half precision without a choice; that there is a GPU is none."""
    meant = module.resolved(node)
    if isinstance(meant, ast.IfExp):
        branches = [_is_half_anyway(module, meant.body), _is_half_anyway(module, meant.orelse)]
        return any(branches) if _asks_only_for_a_gpu(meant.test) else all(branches)
    return _is_half(module, meant)


def _is_on_anyway(module: Module, node: ast.expr) -> bool:
    """Whether a switch is on without a choice; that there is a GPU is none."""
    meant = module.resolved(node)
    if isinstance(meant, ast.Compare) or (
        isinstance(meant, ast.Call) and module.last_name(meant) == "is_available"
    ):
        return _asks_only_for_a_gpu(meant)
    return _is_on(module.value(meant))


def _is_switch(name: str) -> bool:
    return _SWITCH.fullmatch(name.lower()) is not None


def _is_type(name: str) -> bool:
    """Whether a name holds a type of numbers; `mixed_precision` is a switch too."""
    return _TYPE.fullmatch(name.lower()) is not None and name.lower() not in _KIND_NAMES


def _is_on(value: object) -> bool:
    if value is UNKNOWN:
        return False
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in _ON)


def _is_half(module: Module, node: ast.AST | None) -> bool:
    if node is None:
        return False
    value = module.value(node)
    return module.called(node) in _HALF_TYPES or (isinstance(value, str) and value.lower() in _HALF_WORDS)
