"""GPU030 and GPU040: MPS for Whisper, and weights loaded with the right to run code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from debug.gpu_auditing.findings import Edit, Finding
from debug.gpu_auditing.names import UNKNOWN, Module, argument
from debug.gpu_auditing.uses import only_mentioned

_LOAD = ("torch.load", "torch.serialization.load")
#: A model on the hub.
_WHISPER_MODEL = re.compile(r"(?=.*whisper)[\w.-]+/[\w.-]+", re.IGNORECASE)
_MPS = ("mps", "mps:0")


def look(module: Module) -> Iterator[Finding]:
    """What breaks these rules."""
    whisper = _runs_whisper(module)
    for node in module.nodes:
        if isinstance(node, ast.Call):
            made = node.args[0] if module.last_name(node) == "partial" and node.args else node.func
            if module.called(made) in _LOAD:
                yield from _load(module, node)
        elif whisper and isinstance(node, ast.Constant) and node.value in _MPS and _is_chosen(module, node):
            yield module.found("GPU030", node, "MPS is chosen for Whisper, which fails on it: use the CPU.")


def _load(module: Module, node: ast.Call) -> Iterator[Finding]:
    if any(keyword.arg is None for keyword in node.keywords):  # **options: cannot be told
        return
    given = argument(node, None, "weights_only")
    if given is None:
        yield module.found(
            "GPU040", node, "torch.load without weights_only=True runs what the file says.", _added(module, node)
        )
        return
    wrong = [value for value in module.values(given) if value is not UNKNOWN and value is not True]
    if wrong:
        yield module.found("GPU040", node, f"torch.load with weights_only={wrong[0]} runs what the file says.")


def _added(module: Module, node: ast.Call) -> Edit | None:
    """The edit that adds the argument before the closing bracket."""
    if not (node.args or node.keywords) or any(isinstance(one, ast.GeneratorExp) for one in node.args):
        return None
    values: list[ast.expr] = [*node.args, *(keyword.value for keyword in node.keywords)]
    last = max((one.end_lineno or 0, one.end_col_offset or 0) for one in values)
    line, column = node.end_lineno or 0, (node.end_col_offset or 0) - 1
    between = module.between(last, (line, column))
    has_comma = "," in re.sub(r"#[^\n]*", "", between)
    return Edit(line, column, line, column, " weights_only=True" if has_comma else ", weights_only=True")


def _runs_whisper(module: Module) -> bool:
    """Whether the file imports a Whisper, or names one of its models."""
    for node in module.nodes:
        match node:
            case ast.ImportFrom(module=name, names=names):
                if any("whisper" in one.lower() for one in (name or "", *(alias.name for alias in names))):
                    return True
            case ast.Import(names=names):
                if any("whisper" in alias.name.lower() for alias in names):
                    return True
            case ast.Constant(value=str(text)) if _WHISPER_MODEL.fullmatch(text):
                return True
    return False


def _is_chosen(module: Module, node: ast.Constant) -> bool:
    """Whether a string is taken as a device: not one that something is compared with, or that stands in a list."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.IfExp):
        return node is not parent.test
    takers = ast.Return | ast.Assign | ast.AnnAssign | ast.NamedExpr | ast.BoolOp | ast.Dict | ast.arguments
    return isinstance(parent, takers | ast.Call | ast.keyword) and not only_mentioned(module, node)
