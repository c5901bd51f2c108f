"""GPU001 to GPU006: what is set for CUDA, to what, and whether before torch is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from debug.gpu_auditing.events import ORDER, READ_EARLY, VISIBLE, Event, EventReader, values_given
from debug.gpu_auditing.findings import Edit, Finding
from debug.gpu_auditing.names import UNKNOWN, Function, Module, replaced
from debug.gpu_auditing.uses import imports_framework, names_cuda
from workflow_scripts.common.gpu_policy import Policy

#: Calling one of these sets what is to be set.
PREPARERS = (
    "workflow_scripts.common.devices.prepare_environment",
    "workflow_scripts.common.devices.restrict_to",
    "workflow_scripts.common.command_line.main",
)
#: `CUDA_VISIBLE_DEVICES=0` in front of a command.
_IN_SHELL = re.compile(rf"\b{VISIBLE}=[\"']?([^\s\"';&|]*)")
#: What a script does when it is run; modules define and import.
_WORK = ("print", "main", "input", "cuda", "to", "load_model", "from_pretrained")


def look(module: Module, policy: Policy, preparers: tuple[str, ...], every_module: bool) -> Iterator[Finding]:
    """What breaks these rules; missing settings only in programs, unless all modules are to be asked."""
    reader = EventReader(module, preparers)
    is_asked = imports_framework(module) and (every_module or _is_program(module))
    if is_asked or any(name in module.text for name in READ_EARLY):
        yield from _late_anywhere(module, reader)
    if is_asked:
        yield from _missing(module, policy, list(EventReader(module, preparers).events(module.tree)))
    for name, value in values_given(module):
        yield from _judged(module, policy, name, value)
    yield from _in_shells(module, policy)
    taken = list(_taken_away(module)) if VISIBLE in module.text else []
    if taken and not any(event.name == VISIBLE for event in reader.settings()):
        yield from taken


def _late_anywhere(module: Module, reader: EventReader) -> Iterator[Finding]:
    yield from _late(module, list(reader.events(module.tree)))
    loaded = any(event.kind == "import" for event in reader.events(module.tree, follow=False))
    for node in module.nodes:
        if isinstance(node, Function) and node not in reader.followed:
            yield from _late(module, list(reader.events(node)), loaded)


def _late(module: Module, events: list[Event], loaded: bool = False) -> Iterator[Finding]:
    """Settings after the import; that what is unset is set to a default counts as any setting."""
    for event in events:
        loaded = loaded or event.kind == "import"
        if event.kind == "set" and loaded:
            yield module.found("GPU003", event.node, f"{event.name} is set after torch is imported: set it before.")


def _missing(module: Module, policy: Policy, events: list[Event]) -> Iterator[Finding]:
    first = next((event for event in events if event.kind == "import"), None)
    if first is None or any(event.kind == "prepared" for event in events) or not names_cuda(module):
        return
    values = {ORDER: "PCI_BUS_ID", VISIBLE: sole_device(policy)}
    for rule, name in (("GPU001", ORDER), ("GPU002", VISIBLE)):
        if not any(event.kind == "set" and event.name == name for event in events):
            edit = _insertion(module, first.node, name, values[name]) if values[name] else None
            yield module.found(rule, first.node, f"{name} is never set before torch is imported here.", edit)


def _judged(module: Module, policy: Policy, name: str, node: ast.expr) -> Iterator[Finding]:
    """What is wrong with the values that are given to a variable, or that it has where nobody says otherwise."""
    literal = node if isinstance(node, ast.Constant) else None
    for value in module.values(node):
        if value is UNKNOWN or value is None:
            continue
        if name == ORDER and value != "PCI_BUS_ID":
            edit = replaced(literal, '"PCI_BUS_ID"') if literal else None
            yield module.found("GPU004", node, f"{ORDER} is {value!r}: it must be 'PCI_BUS_ID'.", edit)
        elif name == VISIBLE and not isinstance(value, bool):
            yield from _visible(module, policy, node, str(value), literal)


def _visible(
    module: Module, policy: Policy, node: ast.expr, value: str, literal: ast.expr | None
) -> Iterator[Finding]:
    words = [word.strip() for word in value.split(",")]
    if len(words) > 1:
        yield module.found("GPU006", node, f"{VISIBLE}={value!r} makes several GPUs visible.")
    if any(not _may_be_visible(policy, word) for word in words):
        sole = sole_device(policy)
        edit = replaced(literal, f'"{sole}"') if literal and sole else None
        yield module.found("GPU005", node, f"{VISIBLE}={value!r}: the policy does not allow it.", edit)


def _in_shells(module: Module, policy: Policy) -> Iterator[Finding]:
    """Variables in the commands of a shell."""
    for node in module.nodes:
        match node:
            case ast.Call(args=[ast.Constant(value=str(text)) as command, *_]) if f"{VISIBLE}=" in text:
                if module.called(node.func).startswith(("os.system", "os.popen", "subprocess.")):
                    for found in _IN_SHELL.finditer(text):
                        yield from _visible(module, policy, command, found[1], None)


def _taken_away(module: Module) -> Iterator[Finding]:
    """Where the limit is removed; a file that sets it too may put back what was."""
    for node in module.nodes:
        match node:
            case ast.Call(args=[key, *_]):
                is_removed = module.called(node.func) in ("os.environ.pop", "os.unsetenv")
            case ast.Delete(targets=[ast.Subscript(value=table, slice=key)]):
                is_removed = module.called(table) == "os.environ"
            case _:
                continue
        if is_removed and module.value(key) == VISIBLE:
            yield module.found("GPU006", node, f"{VISIBLE} is taken away: every GPU is visible then.")


def _may_be_visible(policy: Policy, word: str) -> bool:
    """Whether the policy allows a word of `CUDA_VISIBLE_DEVICES`, as far as it speaks of such words at all."""
    if word in ("", "-1", "NoDevFiles"):
        return True
    small = word.lower()
    if any(small.startswith(uuid) for uuid in policy.forbidden.uuids):
        return False
    if not policy.allowed.uuids and not policy.audit_visible:
        return True
    return word in policy.audit_visible or any(small.startswith(uuid) for uuid in policy.allowed.uuids)


def sole_device(policy: Policy) -> str:
    """What code is to write into `CUDA_VISIBLE_DEVICES` where the policy leaves no choice, else empty."""
    uuids = [f"{uuid[:4].upper()}{uuid[4:]}" for uuid in policy.allowed.uuids]
    known = list(policy.audit_visible or uuids)
    return known[0] if len(known) == 1 else ""


def _insertion(module: Module, node: ast.AST, name: str, value: str) -> Edit | None:
    """The edit that sets a variable before the import; None where that is not at the level of the module."""
    statement = next((one for one in module.tree.body if node in (one, *ast.walk(one))), None)
    if statement is None or isinstance(statement, Function | ast.ClassDef) or statement.col_offset:
        return None
    before = module.tree.body[: module.tree.body.index(statement)]
    imported = [alias for one in before if isinstance(one, ast.Import) for alias in one.names]
    has_os = any(alias.name == "os" and not alias.asname for alias in imported)
    same_line = any(one.end_lineno == statement.lineno for one in before)
    text = ("" if has_os else "import os\n") + f'os.environ["{name}"] = "{value}"\n'
    return None if same_line else Edit(statement.lineno, 0, statement.lineno, 0, text)


def _is_program(module: Module) -> bool:
    """Whether a file is one that is run: it says so, or it does something where others only define."""
    body = module.tree.body
    return module.text.startswith("#!") or any(_is_main_guard(one) or _does_work(module, one) for one in body)


def _does_work(module: Module, node: ast.stmt) -> bool:
    if not isinstance(node, ast.Expr | ast.For | ast.While | ast.With | ast.Assign):
        return False
    calls = [one for one in ast.walk(node) if isinstance(one, ast.Call)]
    return any(module.last_name(call) in _WORK for call in calls)


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test) and "__main__" in ast.dump(node.test)
