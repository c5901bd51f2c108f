"""The command line of the audit."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from debug.gpu_auditing import baseline, indices, models, order, precision, reports, suppressions
from debug.gpu_auditing.findings import RULES, Finding
from debug.gpu_auditing.fixes import fix
from debug.gpu_auditing.sources import python_files, read
from debug.gpu_auditing.uses import may_break_a_rule
from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.events import printable
from workflow_scripts.common.gpu_policy import NAME, Policy, Selection, read_policy

_EPILOG = """\
A finding is kept as it is by a comment with a reason at the end of its line, or alone on the line before:
    x = torch.device("cuda:1")  # gpu-audit: ignore[GPU010] the second GPU of the test bench
exit status: 0 nothing found (or nothing new); 1 something is; 2 wrong option, policy or baseline
"""


def main(arguments: Sequence[str]) -> int:
    """Audit what the arguments name; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.rules:
        print("\n".join(f"{rule}  {sentence}" for rule, sentence in RULES.items()))
        return 0
    try:
        return _audit(options)
    except UsageError as error:
        print(printable(str(error)), file=sys.stderr)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu_audit.py",
        description="Find code that would compute on another GPU than the policy allows, without running it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="*", type=Path, default=[Path()], help="files and folders (default: here)")
    parser.add_argument("--policy", type=Path, help="the policy (default: config/gpu_policy.toml)")
    parser.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    parser.add_argument("--baseline", type=Path, help="count only what is not in this file")
    parser.add_argument("--write-baseline", type=Path, metavar="FILE", help="write what is found, and end with 0")
    parser.add_argument("--fix", action="store_true", help="mend what is mechanical; FILE.bak keeps what was")
    parser.add_argument(
        "--every-module", action="store_true", help="ask modules too, not programs alone, for GPU001 and GPU002"
    )
    parser.add_argument(
        "--prepared-by", action="append", default=[], metavar="NAME", help="a function that sets both, in full"
    )
    parser.add_argument("--rules", action="store_true", help="list the rules and end")
    return parser


def _audit(options: argparse.Namespace) -> int:
    policy = read_policy(options.policy)
    if _leaves_numbers_open(policy):
        said = f"{NAME} has no [audit] visible: which numbers CUDA_VISIBLE_DEVICES may have is not judged."
        print(said, file=sys.stderr)
    preparers = (*order.PREPARERS, *options.prepared_by)

    def look(path: Path) -> list[Finding]:
        return findings_in(path, policy, preparers, every_module=options.every_module)

    files = list(python_files(options.paths))
    if options.fix:
        _mend(files, look)
    found = [finding for path in files for finding in look(path)]
    if options.write_baseline:
        baseline.write(options.write_baseline, found)
        print(f"{options.write_baseline.name}: {len(found)} findings written.", file=sys.stderr)
        return 0
    if options.baseline:
        compared = baseline.compare(options.baseline, found)
        looked_at = {shown(path) for path in files}
        for entry in compared.stale:
            if entry.path not in looked_at and Path(entry.path).exists():
                continue  # nobody asked for it this time
            said = f"{entry.path}: {entry.rule} of the baseline is not found any more: write it anew."
            print(printable(said), file=sys.stderr)
        found = list(compared.new)
    _show(options.format, found, len(files))
    return 1 if found else 0


def _leaves_numbers_open(policy: Policy) -> bool:
    """Whether a policy chooses among GPUs, and does not say what code may call the chosen ones."""
    chooses = policy.allowed != Selection() or policy.forbidden != Selection()
    return chooses and not policy.audit_visible and not policy.allowed.uuids


def findings_in(
    path: Path, policy: Policy, preparers: Sequence[str] = order.PREPARERS, *, every_module: bool = False
) -> list[Finding]:
    """What the rules say of one file, in the order of its lines."""
    module = read(path, shown(path))
    if isinstance(module, Finding):
        return [module]
    if not may_break_a_rule(module):
        return []
    try:
        found = [
            *order.look(module, policy, tuple(preparers), every_module),
            *indices.look(module),
            *precision.look(module),
            *models.look(module),
        ]
    except RecursionError:
        return [Finding(module.path, 1, 1, "GPU000", "The code is nested too deeply to be read.", 1)]
    return sorted(suppressions.apply(module, sorted(set(found))))


def shown(path: Path) -> str:
    """What findings call a file."""
    return Path(os.path.normpath(path)).as_posix()


def _mend(files: Sequence[Path], look: Callable[[Path], list[Finding]]) -> None:
    for path in files:
        try:
            count = fix(path, look)
        except OSError as error:
            print(printable(f"{path}: not mended: {error.strerror}."), file=sys.stderr)
            continue
        if count:
            print(printable(f"{path}: {count} mended."), file=sys.stderr)


def _show(kind: str, found: Sequence[Finding], files: int) -> None:
    if kind == "json":
        print(reports.as_json(found))
    elif kind == "sarif":
        print(reports.sarif(found))
    else:
        if found:
            print(reports.text(found))
        print(f"{len(found)} findings in {files} files.", file=sys.stderr)
