"""What names mean in a file: imports under other names, and what they may be bound to."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from debug.gpu_auditing.findings import Edit, Finding

#: What `Module.value` says of what cannot be told without running it.
UNKNOWN = object()
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: More alternatives than this, and longer texts, are not followed: no device is called so.
_ALTERNATIVES = 8
_LENGTH = 200
#: Formats that are followed: a width could make a text of any size.
_PLAIN = re.compile(r"[^%{}]*(?:(?:%[ds]|\{[0-9]?\})[^%{}]*)+")
#: Calls that return their default where nobody says otherwise, and the place of it.
_LOOKUPS = {"os.environ.get": 1, "os.getenv": 1, "getattr": 2}
#: Calls that declare a field or an option, by the last part of their names.
_FIELDS = ("field", "Field", "Option", "Argument")


@dataclass(frozen=True)
class Module:
    """A file that was read: its path as people name it, its text, its tree."""

    path: str
    text: str
    tree: ast.Module
    file: Path
    _known: dict[ast.AST, tuple[Any, ...]] = field(default_factory=dict, repr=False)
    _bound: dict[ast.AST, dict[str, list[ast.expr | None]]] = field(default_factory=dict, repr=False)

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends, as Python counts them."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Of every node the one it is part of."""
        return {child: node for node in self.nodes for child in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """What the names that are imported anywhere in the file stand for, in full."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.Import):
                for one in node.names:
                    name = one.name if one.asname else one.name.partition(".")[0]
                    found[one.asname or name] = name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        return found

    def called(self, node: ast.AST) -> str:
        """The full dotted name of an expression, `torch.cuda.set_device`; empty where it is none."""
        match node:
            case ast.Name(id=name):
                meant = self.resolved(node)
                if meant is not node and isinstance(meant, ast.Attribute | ast.Call) and not _mentions(meant, name):
                    return self.called(meant) or self.imports.get(name, name)
                return self.imports.get(name, name)
            case ast.Attribute(value=value, attr=attr):
                before = self.called(value)
                return f"{before}.{attr}" if before else ""
            case ast.Call():
                return imported_by_call(node)
        return ""

    def last_name(self, call: ast.Call) -> str:
        """The last part of what is called, whatever it is called on."""
        name = self.called(call.func).rpartition(".")[2]
        return name or (call.func.attr if isinstance(call.func, ast.Attribute) else "")

    def resolved(self, node: ast.expr) -> ast.expr:
        """What a name is assigned, where that happens once in its scope; anything else as it is."""
        seen: set[ast.AST] = set()
        while isinstance(node, ast.Name) and node not in seen:
            seen.add(node)
            bound, is_parameter = self._bindings_of(node)
            if len(bound) != 1 or bound[0] is None or is_parameter or _mentions(bound[0], node.id):
                break
            node = bound[0]
        return node

    def value(self, node: ast.AST | None) -> Any:
        """The value of an expression where the file alone tells it and there is but one, else `UNKNOWN`."""
        found = self.values(node)
        return found[0] if len(found) == 1 else UNKNOWN

    def values(self, node: ast.AST | None) -> tuple[Any, ...]:
        """What an expression may be as far as the file tells it: `UNKNOWN` among them where it may be more.

        Both branches of a choice count, and the default of a parameter that a caller may give.
        """
        if node is None:
            return (UNKNOWN,)
        if node not in self._known:
            self._known[node] = (UNKNOWN,)  # what refers to itself
            self._known[node] = _distinct(self._values(node))
        return self._known[node]

    def _values(self, node: ast.AST) -> Iterable[Any]:
        match node:
            case ast.Constant(value=value):
                return (value,)
            case ast.Name():
                bound, is_parameter = self._bindings_of(node)
                if not bound or None in bound:
                    return (UNKNOWN,)
                return [
                    *(one for value in bound for one in self.values(value)),
                    *([UNKNOWN] if is_parameter else []),
                ]
            case ast.IfExp(body=first, orelse=second):
                return (*self.values(first), *self.values(second))
            case ast.BoolOp(op=ast.Or(), values=parts):
                return [one for part in parts for one in self.values(part)]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return [-one if isinstance(one, int | float) else UNKNOWN for one in self.values(operand)]
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return self._joined((left, right), only_texts=True)
            case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(form)), right=right):
                rights = right.elts if isinstance(right, ast.Tuple) else [right]
                return self._formatted(form, lambda values: form % values, rights)
            case ast.JoinedStr(values=parts):
                return self._joined([one.value if isinstance(one, ast.FormattedValue) else one for one in parts])
            case ast.Call():
                return self._returned(node)
        return (UNKNOWN,)

    def _returned(self, node: ast.Call) -> Iterable[Any]:
        match node:
            case ast.Call(func=ast.Name(id="str" | "int" as kind), args=[one], keywords=[]):
                return [_converted(kind, value) for value in self.values(one)]
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(form)), attr="format"), keywords=[]):
                return self._formatted(form, lambda values: form.format(*values), node.args)
            case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(comma)), attr="join"), args=[one]):
                parts = elements(self, one)
                return [comma.join(parts) if parts and all(isinstance(part, str) for part in parts) else UNKNOWN]
        name = self.called(node.func)
        if (place := _LOOKUPS.get(name)) is not None and (default := argument(node, place, "default")) is not None:
            return (*self.values(default), UNKNOWN)
        if (last := name.rpartition(".")[2]) in _FIELDS:
            return self.values(argument(node, None if last == "field" else 0, "default"))
        return (UNKNOWN,)

    def _joined(self, parts: Iterable[ast.expr], *, only_texts: bool = False) -> Iterator[Any]:
        for values in product(*(self.values(part)[:_ALTERNATIVES] for part in parts)):
            if UNKNOWN in values or (only_texts and not all(isinstance(one, str) for one in values)):
                yield UNKNOWN
            else:
                yield "".join(map(str, values))

    def _formatted(self, form: str, make: Callable[[Any], str], parts: Sequence[ast.expr]) -> Iterator[Any]:
        if not _PLAIN.fullmatch(form) or len(parts) > 2:
            yield UNKNOWN
            return
        for values in product(*(self.values(part) for part in parts)):
            try:
                yield UNKNOWN if UNKNOWN in values else make(values)
            except (TypeError, ValueError, LookupError):
                yield UNKNOWN

    def _bindings_of(self, name: ast.Name) -> tuple[list[ast.expr | None], bool]:
        """What a name is bound to in the scope that it belongs to, and whether it is a parameter there."""
        scope: ast.AST | None = name
        while scope is not None:
            scope = self.parents.get(scope)
            if isinstance(scope, _SCOPES) and name.id in (bound := self._bindings(scope)):
                is_parameter = not isinstance(scope, ast.Module) and name.id in _parameters(scope)
                return bound[name.id], is_parameter
        return [], False

    def _bindings(self, scope: ast.AST) -> dict[str, list[ast.expr | None]]:
        """The names that a scope binds, with what each is bound to; None for what is no plain assignment."""
        if scope not in self._bound:
            found: dict[str, list[ast.expr | None]] = {}
            for name, value in _bindings(scope):
                found.setdefault(name, []).append(value)
            self._bound[scope] = found
        return self._bound[scope]

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes that a node is part of, the next first."""
        inner: ast.AST | None = node
        while (inner := self.parents.get(inner)) is not None:  # type: ignore[arg-type]
            yield inner

    def between(self, start: tuple[int, int], end: tuple[int, int]) -> str:
        """The text between two places, each a line from 1 and a column from 0 in bytes of UTF-8."""
        rows = [line.encode("utf-8", "surrogatepass") for line in self.lines[start[0] - 1 : end[0]]]
        rows[-1] = rows[-1][: end[1]]
        rows[0] = rows[0][start[1] :]
        return b"\n".join(rows).decode("utf-8", "replace")

    def found(self, rule: str, node: ast.AST, message: str, edit: Edit | None = None) -> Finding:
        """A finding at a node."""
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        code = self.lines[line - 1] if line <= len(self.lines) else ""
        characters = len(code.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "replace"))
        end_line = getattr(node, "end_lineno", None) or line
        return Finding(self.path, line, characters + 1, rule, message, end_line, code.strip(), edit)


def replaced(node: ast.expr, text: str) -> Edit | None:
    """The edit that writes something in place of an expression; None where it spans lines."""
    if node.end_lineno != node.lineno or node.end_col_offset is None:
        return None
    return Edit(node.lineno, node.col_offset, node.lineno, node.end_col_offset, text)


def argument(call: ast.Call, position: int | None, *names: str) -> ast.expr | None:
    """An argument of a call by its place or a name; None where it is not given."""
    for keyword in call.keywords:
        if keyword.arg in names:
            return keyword.value
    if position is None or position >= len(call.args) or any(isinstance(a, ast.Starred) for a in call.args):
        return None
    return call.args[position]


def imported_by_call(node: ast.Call) -> str:
    """The module that `importlib.import_module("torch")` or `__import__("torch")` gives; empty for other calls."""
    match node:
        case ast.Call(
            func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
            args=[ast.Constant(value=str(name)), *_],
        ):
            return name
    return ""


def elements(module: Module, node: ast.expr, depth: int = 0) -> list[Any]:
    """The values in a list, also one that is written elsewhere in the file or as a range; empty for all else.

    `depth` ends what is made of itself.
    """
    if depth > _ALTERNATIVES:
        return []
    match module.resolved(node):
        case ast.List(elts=elts) | ast.Tuple(elts=elts):
            return [module.value(one) for one in elts]
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner]):
            return elements(module, inner, depth + 1)
        case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id="str"), inner]):
            return [_converted("str", one) for one in elements(module, inner, depth + 1)]
        case ast.Call(func=ast.Name(id="range"), args=[length]):
            number = module.value(length)
            return list(range(number)) if isinstance(number, int) and number <= _LENGTH else []
    return []


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Every value once, in order; too many, or too long ones, are unknown."""
    found: dict[tuple[type, Any], Any] = {}
    for value in values:
        one = UNKNOWN if isinstance(value, str | bytes) and len(value) > _LENGTH else value
        found[type(one), one] = one
        if len(found) > _ALTERNATIVES:
            return (UNKNOWN,)
    return tuple(found.values())


def _converted(kind: str, value: Any) -> Any:
    if value is UNKNOWN:
        return UNKNOWN
    try:
        return str(value) if kind == "str" else int(value)
    except (TypeError, ValueError):
        return UNKNOWN


def _parameters(scope: ast.AST) -> frozenset[str]:
    """The names of a function's parameters."""
    given: ast.arguments = scope.args  # type: ignore[attr-defined]
    every = (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg)
    return frozenset(one.arg for one in every if one is not None)


def parameters_with_default(given: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    """The parameters of a function that have a default, and it."""
    positional = [*given.posonlyargs, *given.args]
    with_default = zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True)
    for parameter, value in [*with_default, *zip(given.kwonlyargs, given.kw_defaults, strict=True)]:
        if value is not None:
            yield parameter.arg, value


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))


def _bindings(scope: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(scope, Function | ast.Lambda):
        defaults = dict(parameters_with_default(scope.args))
        yield from ((name, defaults.get(name)) for name in _parameters(scope))
    for node in within(scope):
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.NamedExpr(target=ast.Name(id=name), value=value)
            ):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield name, value
            case ast.AugAssign(target=ast.Name(id=name)) | ast.Delete(targets=[ast.Name(id=name)]):
                yield name, None
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from ((name, None) for name in names)
            case ast.Assign() | ast.For() | ast.AsyncFor() | ast.With() | ast.AsyncWith() | ast.comprehension():
                yield from ((name, None) for name in _targets(node))


def _targets(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds to parts of something."""
    match node:
        case ast.Assign(targets=targets):
            roots: list[ast.AST] = list(targets)
        case ast.For(target=target) | ast.AsyncFor(target=target) | ast.comprehension(target=target):
            roots = [target]
        case ast.With(items=items) | ast.AsyncWith(items=items):
            roots = [item.optional_vars for item in items if item.optional_vars is not None]
        case _:
            roots = []
    for root in roots:
        yield from (n.id for n in ast.walk(root) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def within(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope in the order of the file, without those of functions defined in it."""
    waiting = list(ast.iter_child_nodes(scope))[::-1]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _SCOPES[1:]):
            waiting += list(ast.iter_child_nodes(node))[::-1]
