"""GPU001 to GPU006: what is set for CUDA, to what, and whether before torch is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from debug.gpu_auditing.findings import Edit, Finding
from debug.gpu_auditing.names import UNKNOWN, Function, Module, replaced, within
from workflow_scripts.common.gpu_policy import Policy

ORDER, VISIBLE = "CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES"
#: What is read once, when torch is imported or CUDA begins.
READ_EARLY = (ORDER, VISIBLE, "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
#: Importing one of these imports torch, or begins CUDA itself.
FRAMEWORKS = (
    *("torch", "torchaudio", "torchvision", "torchcodec", "transformers", "diffusers", "accelerate", "pyannote"),
    *("whisper", "whisperx", "faster_whisper", "ctranslate2", "speechbrain", "silero_vad", "nemo", "TTS", "vllm"),
    *("llama_cpp", "cupy", "tensorflow", "jax"),
)
#: Calling one of these sets what is to be set.
PREPARERS = (
    "workflow_scripts.common.devices.prepare_environment",
    "workflow_scripts.common.devices.restrict_to",
    "workflow_scripts.common.command_line.main",
)


@dataclass(frozen=True)
class Event:
    """What happens when the file is run: a framework is imported, a variable is set, all of them are prepared."""

    kind: Literal["import", "set", "prepared"]
    node: ast.AST
    name: str = ""
    value: ast.expr | None = None


def look(module: Module, policy: Policy, preparers: tuple[str, ...], every_module: bool) -> Iterator[Finding]:
    """What breaks these rules; missing settings only in programs, unless all modules are to be asked."""
    reader = _Reader(module, preparers)
    whole = list(reader.events(module.tree))
    yield from _late(module, whole)
    loaded = any(event.kind == "import" for event in reader.events(module.tree, follow=False))
    for node in ast.walk(module.tree):
        if isinstance(node, Function) and node not in reader.followed:
            yield from _late(module, list(reader.events(node)), loaded)
    if every_module or _is_program(module):
        yield from _missing(module, policy, whole)
    for event in reader.settings():
        yield from _values(module, policy, event)


def _late(module: Module, events: list[Event], loaded: bool = False) -> Iterator[Finding]:
    """Settings after the import; that what is unset is set to a default counts as any setting."""
    for event in events:
        loaded = loaded or event.kind == "import"
        if event.kind == "set" and loaded:
            yield module.found("GPU003", event.node, f"{event.name} is set after torch is imported: set it before.")


def _missing(module: Module, policy: Policy, events: list[Event]) -> Iterator[Finding]:
    first = next((event for event in events if event.kind == "import"), None)
    if first is None or any(event.kind == "prepared" for event in events) or not _names_cuda(module):
        return
    values = {ORDER: "PCI_BUS_ID", VISIBLE: sole_device(policy)}
    for rule, name in (("GPU001", ORDER), ("GPU002", VISIBLE)):
        if not any(event.kind == "set" and event.name == name for event in events):
            edit = _insertion(module, first.node, name, values[name]) if values[name] else None
            yield module.found(rule, first.node, f"{name} is never set before torch is imported here.", edit)


def _values(module: Module, policy: Policy, event: Event) -> Iterator[Finding]:
    value = module.value(event.value)
    if event.value is None or value is UNKNOWN:
        return
    literal = event.value if isinstance(event.value, ast.Constant) else None
    if event.name == ORDER and value != "PCI_BUS_ID":
        edit = replaced(literal, '"PCI_BUS_ID"') if literal else None
        yield module.found("GPU004", event.value, f"{ORDER} is {value!r}: it must be 'PCI_BUS_ID'.", edit)
    if event.name == VISIBLE and isinstance(value, str):
        words = [word.strip() for word in value.split(",")]
        if len(words) > 1:
            yield module.found("GPU006", event.value, f"{VISIBLE}={value!r} makes several GPUs visible.")
        wrong = next((word for word in words if not _may_be_visible(policy, word)), None)
        if wrong is not None:
            sole = sole_device(policy)
            edit = replaced(literal, f'"{sole}"') if literal and sole else None
            yield module.found("GPU005", event.value, f"{VISIBLE}={value!r}: the policy does not allow it.", edit)


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
    return module.text.startswith("#!") or any(_is_main_guard(one) for one in module.tree.body)


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.dump(node.test) and "__main__" in ast.dump(node.test)


def _names_cuda(module: Module) -> bool:
    """Whether the code speaks of CUDA: as a name, an attribute, or a device string."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Attribute(attr="cuda") | ast.Name(id="cuda"):
                return True
            case ast.Constant(value=str(text)) if text == "cuda" or text.startswith("cuda:"):
                return True
    return False


class _Reader:
    """The events of a file, and of the functions of its own that it calls."""

    def __init__(self, module: Module, preparers: tuple[str, ...]) -> None:
        self._module = module
        self._preparers = preparers
        self._functions = {node.name: node for node in module.tree.body if isinstance(node, Function)}
        self.followed: set[ast.AST] = set()

    def events(self, scope: ast.AST, *, follow: bool = True) -> Iterator[Event]:
        """What happens in a scope, in order; calls of the file's own functions are followed once."""
        for node in _executed(scope):
            yield from self._event(node)
            if follow and isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                function = self._functions.get(node.func.id)
                if function is not None and function not in self.followed and function is not scope:
                    self.followed.add(function)
                    yield from self.events(function)

    def settings(self) -> Iterator[Event]:
        """Everything that is set anywhere in the file."""
        for node in ast.walk(self._module.tree):
            yield from (event for event in self._event(node) if event.kind == "set")

    def _event(self, node: ast.AST) -> Iterator[Event]:
        match node:
            case ast.Import(names=names):
                if any(one.name.partition(".")[0] in FRAMEWORKS for one in names):
                    yield Event("import", node)
            case ast.ImportFrom(module=str(name), level=0):
                if name.partition(".")[0] in FRAMEWORKS:
                    yield Event("import", node)
            case ast.Assign(targets=targets, value=value):
                for target in targets:
                    if isinstance(target, ast.Subscript) and self._is_environ(target.value):
                        yield from self._set(node, target.slice, value)
            case ast.AugAssign(target=target, op=ast.BitOr(), value=ast.Dict() as table):
                if self._is_environ(target):
                    yield from self._table(node, table)
            case ast.Call():
                yield from self._call(node)

    def _call(self, node: ast.Call) -> Iterator[Event]:
        name = self._module.called(node.func)
        if name in self._preparers:
            yield Event("prepared", node)
        elif name in ("os.environ.setdefault", "os.putenv", "os.environ.__setitem__") and len(node.args) == 2:
            yield from self._set(node, *node.args)
        elif name == "os.environ.update":
            for one in node.args:
                if isinstance(one, ast.Dict):
                    yield from self._table(node, one)
            for keyword in node.keywords:
                if keyword.arg in READ_EARLY:
                    yield Event("set", node, keyword.arg, keyword.value)
        elif name == "importlib.import_module" and node.args:
            module = self._module.value(node.args[0])
            if isinstance(module, str) and module.partition(".")[0] in FRAMEWORKS:
                yield Event("import", node)

    def _table(self, node: ast.AST, table: ast.Dict) -> Iterator[Event]:
        for key, value in zip(table.keys, table.values, strict=True):
            if key is not None:
                yield from self._set(node, key, value)

    def _set(self, node: ast.AST, key: ast.expr, value: ast.expr) -> Iterator[Event]:
        name = self._module.value(key)
        if name in READ_EARLY:
            yield Event("set", node, name, value)

    def _is_environ(self, node: ast.AST) -> bool:
        return self._module.called(node) == "os.environ"


def _executed(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope that run when it does, in order: no bodies of functions, nothing for type checkers."""
    skipped: set[ast.AST] = set()
    for node in within(scope):
        if isinstance(node, ast.If) and ast.unparse(node.test).rpartition(".")[2] == "TYPE_CHECKING":
            skipped.update(inner for one in node.body for inner in ast.walk(one))
        if node not in skipped:
            yield node
