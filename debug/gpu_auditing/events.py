"""What happens in a file that matters to CUDA, in the order in which it does when the file is run."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from debug.gpu_auditing.names import Function, Module, imported_by_call, within
from debug.gpu_auditing.sources import read
from debug.gpu_auditing.uses import FRAMEWORKS, may_break_a_rule

ORDER, VISIBLE = "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"
#: What is read once, when torch is imported or CUDA begins.
READ_EARLY = (ORDER, VISIBLE, "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
Kind = Literal["import", "set", "prepared"]
#: How far imports of files are followed, and up to which folder above they are looked for.
_DEPTH = 2
_LEVELS = 4
#: Calls that give a variable of this process a value.
_SETTERS = ("os.environ.setdefault", "os.putenv", "os.environ.__setitem__")


@dataclass(frozen=True)
class Event:
    """What happens when the file is run: a framework is imported, a variable is set, all of them are prepared."""

    kind: Kind
    node: ast.AST
    name: str = ""
    value: ast.expr | None = None


class EventReader:
    """The events of a file, of the functions and methods of its own that it calls, and of files that it imports.

    `depth` is how many imports led here.
    """

    def __init__(self, module: Module, preparers: tuple[str, ...], depth: int = 0) -> None:
        self._module = module
        self._preparers = preparers
        self._depth = depth
        self._imported: dict[ast.AST, list[Event]] = {}
        self._functions = {node.name: node for node in module.tree.body if isinstance(node, Function)}
        for one in module.tree.body:
            if isinstance(one, ast.ClassDef):
                self._functions |= {f"{one.name}.{m.name}": m for m in one.body if isinstance(m, Function)}
        self.followed: set[ast.AST] = set()

    def events(self, scope: ast.AST, *, follow: bool = True) -> Iterator[Event]:
        """What happens in a scope, in order; calls of the file's own functions are followed once."""
        for node in _executed(scope):
            yield from self._event(node)
            if follow and isinstance(node, ast.Call):
                function = self._called(node)
                if function is not None and function not in self.followed and function is not scope:
                    self.followed.add(function)
                    yield from self.events(function)

    def settings(self) -> Iterator[Event]:
        """Everything that is set anywhere in the file."""
        for node in self._module.nodes:
            yield from (event for event in self._event(node) if event.kind == "set")

    def _called(self, node: ast.Call) -> ast.AST | None:
        """The function or method of this file that is called: `f()`, `C()`, `C.m()`, `C().m()`, `self.m()`."""
        match node.func:
            case ast.Name(id=name):
                return self._functions.get(name) or self._functions.get(f"{name}.__init__")
            case ast.Attribute(value=value, attr=attr):
                owner = self._owner(value)
                return self._functions.get(f"{owner}.{attr}") if owner else None
        return None

    def _owner(self, value: ast.expr) -> str:
        """The class that a method is called on; empty where that is none of this file."""
        if isinstance(value, ast.Name) and value.id in ("self", "cls"):
            classes = (one.name for one in self._module.enclosing(value) if isinstance(one, ast.ClassDef))
            return next(classes, "")
        meant = self._module.resolved(value)
        meant = meant.func if isinstance(meant, ast.Call) else meant
        return meant.id if isinstance(meant, ast.Name) else ""

    def _event(self, node: ast.AST) -> Iterator[Event]:
        match node:
            case ast.Import() | ast.ImportFrom():
                if any(name.partition(".")[0] in FRAMEWORKS for name in _modules(node)):
                    yield Event("import", node)
                else:
                    yield from self._of_files(node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Subscript) and self._is_environ(target.value):
                        yield from self._set(node, target.slice, value)
            case ast.AugAssign(target=target, op=ast.BitOr(), value=table):
                if self._is_environ(target):
                    yield from self._table(node, table)
            case ast.For(target=ast.Tuple(elts=[ast.Name(id=key), _]), iter=ast.Call(func=ast.Attribute() as func)):
                if func.attr == "items" and self._sets_by(node, key):
                    yield from self._table(node, func.value)
            case ast.Call():
                yield from self._call(node)

    def _of_files(self, node: ast.Import | ast.ImportFrom) -> list[Event]:
        """What importing files of the same tree does."""
        if node not in self._imported:
            files = _files(node, self._module.file) if self._depth < _DEPTH else []
            happens = (one for file in files for one in _happens(file, self._preparers, self._depth + 1))
            self._imported[node] = [Event(kind, node, name) for kind, name in happens]
        return self._imported[node]

    def _call(self, node: ast.Call) -> Iterator[Event]:
        name = self._module.called(node.func)
        if name in self._preparers:
            yield Event("prepared", node)
        elif name in _SETTERS and len(node.args) == 2:
            yield from self._set(node, *node.args)
        elif name == "os.environ.update":
            for one in node.args:
                yield from self._table(node, one)
            yield from self._keywords(node, node)
        elif imported_by_call(node).partition(".")[0] in FRAMEWORKS:
            yield Event("import", node)

    def _sets_by(self, loop: ast.For, key: str) -> bool:
        """Whether a loop over a table sets the environment's variables that its keys name."""
        for node in ast.walk(loop):
            match node:
                case ast.Assign(targets=[ast.Subscript(value=value, slice=ast.Name(id=name))]):
                    if name == key and self._is_environ(value):
                        return True
                case ast.Call(args=[ast.Name(id=name), _]):
                    if name == key and self._module.called(node.func) in _SETTERS:
                        return True
        return False

    def _table(self, node: ast.AST, table: ast.expr) -> Iterator[Event]:
        """The variables in a table: written out, made by `dict()`, or of a name that stands for one."""
        match self._module.resolved(table):
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if key is not None:
                        yield from self._set(node, key, value)
            case ast.Call(func=ast.Name(id="dict")) as call:
                yield from self._keywords(node, call)

    def _keywords(self, node: ast.AST, call: ast.Call) -> Iterator[Event]:
        for keyword in call.keywords:
            if keyword.arg in READ_EARLY:
                yield Event("set", node, keyword.arg, keyword.value)

    def _set(self, node: ast.AST, key: ast.expr, value: ast.expr) -> Iterator[Event]:
        name = self._module.value(key)
        if isinstance(name, str) and name in READ_EARLY:
            yield Event("set", node, name, value)

    def _is_environ(self, node: ast.AST) -> bool:
        return self._module.called(node) == "os.environ"


@lru_cache(1000)
def _happens(file: Path, preparers: tuple[str, ...], depth: int) -> tuple[tuple[Kind, str], ...]:
    """What importing a file does."""
    module = read(file, file.name)
    if not isinstance(module, Module) or not may_break_a_rule(module):
        return ()
    events = EventReader(module, preparers, depth).events(module.tree)
    return tuple(dict.fromkeys((event.kind, event.name) for event in events))


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules that an import names in full; none of those that it names from where it stands."""
    if isinstance(node, ast.Import):
        return [one.name for one in node.names]
    return [node.module] if node.module and not node.level else []


def _files(node: ast.Import | ast.ImportFrom, importer: Path) -> list[Path]:
    """The files beside the one that imports, or in the folders above it, that an import runs."""
    if isinstance(node, ast.ImportFrom) and node.level:
        bases = (
            [importer.resolve().parents[node.level - 1]] if node.level <= len(importer.resolve().parents) else []
        )
        names = [node.module or ""]
    else:
        bases = list(importer.resolve().parents[:_LEVELS])
        names = [name for name in _modules(node) if name.partition(".")[0] not in sys.stdlib_module_names]
    parts = [one.name for one in node.names] if isinstance(node, ast.ImportFrom) else []
    found = []
    for name in names:
        place = Path(*name.split("."))
        wanted = [place, *(place / part for part in parts if part != "*")]
        for base in bases:
            files = [base / one.with_suffix(".py") for one in wanted if one.name] + [base / place / "__init__.py"]
            if there := [path for path in files if path.is_file() and path.resolve() != importer.resolve()]:
                found += there
                break
    return found


def _executed(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope that run when it does, in order: no bodies of functions, nothing for type checkers."""
    skipped: set[ast.AST] = set()
    for node in within(scope):
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            skipped.update(inner for one in node.body for inner in ast.walk(one))
        if node not in skipped:
            yield node


def values_given(module: Module) -> Iterator[tuple[str, ast.expr]]:
    """Every value that the file gives to `ORDER` or `VISIBLE`, for itself or for a process that it starts."""
    if ORDER not in module.text and VISIBLE not in module.text:
        return
    for node in module.nodes:
        pairs: list[tuple[ast.expr | None, ast.expr]] = []
        match node:
            case ast.Assign(targets=targets, value=value):
                pairs = [(target.slice, value) for target in targets if isinstance(target, ast.Subscript)]
            case ast.Dict(keys=keys, values=values):
                pairs = list(zip(keys, values, strict=True))
            case ast.Call(args=[key, value, *_]):
                if module.last_name(node) in ("setdefault", "putenv", "__setitem__", "setenv"):
                    pairs = [(key, value)]
            case ast.keyword(arg=str(name), value=value) if name in (ORDER, VISIBLE):
                yield name, value
        for place, given in pairs:
            if place is not None and (named := module.value(place)) in (ORDER, VISIBLE):
                yield named, given
