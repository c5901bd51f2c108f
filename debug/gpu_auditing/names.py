"""What names mean in a file: imports under other names, constants that are assigned once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from debug.gpu_auditing.findings import Edit, Finding

#: What `Module.value` says of what cannot be told without running it.
UNKNOWN = object()
Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True)
class Module:
    """A file that was read: its path as people name it, its text, its tree."""

    path: str
    text: str
    tree: ast.Module
    file: Path

    @cached_property
    def lines(self) -> list[str]:
        """The lines without their ends, as Python counts them."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """Of every node the one it is part of."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    @cached_property
    def imports(self) -> dict[str, str]:
        """What the names that are imported anywhere in the file stand for, in full."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    name = one.name if one.asname else one.name.partition(".")[0]
                    found[one.asname or name] = name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
        return found

    def called(self, node: ast.AST) -> str:
        """The full dotted name of an expression, `torch.cuda.set_device`; empty where it is none."""
        if isinstance(node, ast.Name):
            alias = self._only_value(node)
            if isinstance(alias, ast.Attribute | ast.Name) and not _mentions(alias, node.id):
                return self.called(alias)
            return self.imports.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            before = self.called(node.value)
            return f"{before}.{node.attr}" if before else ""
        return ""

    def value(self, node: ast.AST | None) -> Any:
        """The value of an expression as far as the file alone tells it, else `UNKNOWN`."""
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                assigned = self._only_value(node)
                return UNKNOWN if assigned is None or _mentions(assigned, node.id) else self.value(assigned)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self.value(operand)
                return -value if isinstance(value, int | float) else UNKNOWN
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                pair = self.value(left), self.value(right)
                return pair[0] + pair[1] if all(isinstance(one, str) for one in pair) else UNKNOWN
            case ast.JoinedStr(values=parts):
                values = [self.value(one.value if isinstance(one, ast.FormattedValue) else one) for one in parts]
                return UNKNOWN if UNKNOWN in values else "".join(map(str, values))
            case ast.Call(func=ast.Name(id="str" | "int" as kind), args=[one], keywords=[]):
                return self._converted(kind, self.value(one))
        return UNKNOWN

    @staticmethod
    def _converted(kind: str, value: Any) -> Any:
        if value is UNKNOWN:
            return UNKNOWN
        try:
            return str(value) if kind == "str" else int(value)
        except (TypeError, ValueError):
            return UNKNOWN

    def _only_value(self, name: ast.Name) -> ast.expr | None:
        """What a name is bound to, where that happens once in the scope that it belongs to."""
        scope: ast.AST | None = name
        while scope is not None:
            scope = self.parents.get(scope)
            if isinstance(scope, _SCOPES) and name.id in (bound := self._bindings(scope)):
                values = bound[name.id]
                return values[0] if len(values) == 1 else None
        return None

    @cached_property
    def _bound(self) -> dict[ast.AST, dict[str, list[ast.expr | None]]]:
        return {}

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


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))


def _bindings(scope: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(scope, Function | ast.Lambda):
        given = scope.args
        for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg):
            if one is not None:
                yield one.arg, None
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
    for child in ast.iter_child_nodes(scope):
        yield child
        if not isinstance(child, (*_SCOPES[1:],)):
            yield from within(child)
