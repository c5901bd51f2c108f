"""The GPU audit: each rule both ways, suppressions, reports, baseline, fixes."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from debug.gpu_auditing.command import findings_in, main
from debug.gpu_auditing.findings import RULES, Finding
from workflow_scripts.common.gpu_policy import read_policy
from workflow_scripts.common.paths import ROOT

CASES = Path(__file__).with_name("gpu_audit_cases")
POLICY = read_policy(CASES / "policy.toml")
FILES = sorted(CASES.glob("GPU*/*.txt"))
MARK = re.compile(r"# <- (GPU\d+)")


def written(folder: Path, text: str, name: str = "x.py") -> Path:
    """A Python file of a text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def audit(folder: Path, text: str) -> list[Finding]:
    """What is found in a text."""
    return findings_in(written(folder, text), POLICY)


def rules(folder: Path, text: str) -> list[str]:
    """The rules that a text breaks."""
    return [finding.rule for finding in audit(folder, text)]


def run(*words: str | Path) -> int:
    """The command's exit status, under the policy of the cases."""
    return main(["--policy", str(CASES / "policy.toml"), *map(str, words)])


@pytest.mark.parametrize("case", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_rule_finds_the_marked_lines_and_no_others(case: Path, tmp_path: Path) -> None:
    text = case.read_text(encoding="utf-8")
    marked = [(number, rule) for number, line in enumerate(text.split("\n"), 1) for rule in MARK.findall(line)]
    assert [(one.line, one.rule) for one in audit(tmp_path, text)] == marked
    assert bool(marked) == case.stem.startswith("bad")
    assert {rule for _, rule in marked} <= {case.parent.name}


@pytest.mark.parametrize("case", sorted(CASES.glob("programs/*.txt")), ids=lambda path: path.stem)
def test_in_a_program_the_marked_lines_are_found_and_no_others(case: Path, tmp_path: Path) -> None:
    text = case.read_text(encoding="utf-8")
    marked = [(number, rule) for number, line in enumerate(text.split("\n"), 1) for rule in MARK.findall(line)]
    assert sorted((one.line, one.rule) for one in audit(tmp_path, text)) == sorted(marked)


def test_every_rule_has_cases_both_ways() -> None:
    about_comments = {"GPU090", "GPU091"}
    for stem in ("bad", "good"):
        assert {path.parent.name for path in FILES if path.stem == stem} == set(RULES) - about_comments


# the order of things


def test_a_module_is_asked_for_missing_variables_only_on_demand(tmp_path: Path) -> None:
    path = written(tmp_path, 'import torch\ndevice = "cuda"\n')
    assert findings_in(path, POLICY) == []
    found = findings_in(path, POLICY, every_module=True)
    assert [one.rule for one in found] == ["GPU001", "GPU002"]


def test_what_files_of_the_same_tree_do_when_they_are_imported_counts(tmp_path: Path) -> None:
    (tmp_path / "utils").mkdir()
    (tmp_path / "speech").mkdir()
    both = 'import os\nos.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"\nos.environ["CUDA_VISIBLE_DEVICES"] = "1"\n'
    written(tmp_path / "utils", both, "gpu_setup.py")
    written(tmp_path / "speech", "from .other import x\nimport torch\n", "model.py")
    written(tmp_path / "speech", "from .model import y\n", "other.py")  # each the other: no loop
    end = "if __name__ == '__main__':\n    torch.cuda.init()\n"
    assert rules(tmp_path, f"from utils import gpu_setup\nimport torch\n{end}") == []
    assert rules(tmp_path, f"import torch\nimport utils.gpu_setup\n{end}") == ["GPU003", "GPU003"]
    assert rules(tmp_path, f"from speech.model import m\n{both}import torch\n{end}") == ["GPU003", "GPU003"]


def test_another_function_that_prepares_can_be_named(tmp_path: Path) -> None:
    text = 'from house import prepare\nprepare()\nimport torch\nif __name__ == "__main__":\n    torch.cuda.init()\n'
    path = written(tmp_path, text)
    assert run(path) == 1
    assert run(path, "--prepared-by", "house.prepare") == 0


def test_without_a_word_of_the_policy_numbers_are_not_judged(tmp_path: Path) -> None:
    path = written(tmp_path, 'import os\nos.environ["CUDA_VISIBLE_DEVICES"] = "3"\n')
    assert findings_in(path, read_policy(ROOT / "config" / "gpu_policy.toml")) == []


def test_a_policy_that_chooses_and_does_not_say_what_code_may_write_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, path = tmp_path / "p.toml", written(tmp_path, 'import os\nos.environ["CUDA_VISIBLE_DEVICES"] = "0"\n')
    policy.write_text('[allowed]\nbuses = ["01"]\n')
    assert main(["--policy", str(policy), str(path)]) == 0
    assert "no [audit] visible" in capsys.readouterr().err
    policy.write_text('[allowed]\nbuses = ["01"]\n[audit]\nvisible = ["1"]\n')
    assert main(["--policy", str(policy), str(path)]) == 1
    assert "no [audit] visible" not in capsys.readouterr().err


# suppressions

BAD = 'import torch\na = torch.zeros(1, device="cuda:1")'


def test_a_suppression_with_a_reason_holds_at_the_line_and_above_it(tmp_path: Path) -> None:
    assert rules(tmp_path, f"{BAD}  # gpu-audit: ignore[GPU010] the test bench has two\n") == []
    above = BAD.replace("a =", "# gpu-audit: ignore[GPU010, GPU010] the test bench has two\na =")
    assert rules(tmp_path, above) == []


def test_a_suppression_holds_for_a_statement_over_several_lines(tmp_path: Path) -> None:
    text = 'import torch\ntorch.load(\n    "x",\n)  # gpu-audit: ignore[GPU040] our own file\n'
    assert rules(tmp_path, text) == []


def test_a_suppression_without_a_reason_suppresses_nothing_and_is_told(tmp_path: Path) -> None:
    assert rules(tmp_path, f"{BAD}  # gpu-audit: ignore[GPU010]\n") == ["GPU010", "GPU090"]


@pytest.mark.parametrize("rule", ["GPU012", "GPU999", ""])
def test_a_suppression_of_what_is_not_broken_is_told(tmp_path: Path, rule: str) -> None:
    assert rules(tmp_path, f"a = 1  # gpu-audit: ignore[{rule}] why not\n") == ["GPU091"]


def test_a_suppression_in_a_string_is_none(tmp_path: Path) -> None:
    assert rules(tmp_path, 'a = "# gpu-audit: ignore[GPU010] no comment"\n') == []


# files


def test_files_that_cannot_be_read_are_findings(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    (tmp_path / "null.py").write_bytes(b"x = 1\x00\n")
    (tmp_path / "deep.py").write_text(f"x = {'+'.join(['1'] * 20000)}\n")
    (tmp_path / "coded.py").write_bytes(b"# coding: nonsense\n")
    for path in tmp_path.iterdir():
        assert [one.rule for one in findings_in(path, POLICY)] == ["GPU000"], path.name


def test_a_file_in_another_declared_encoding_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes("# coding: latin-1\né = 1; d = 'cuda:1'\n".encode("latin-1"))
    (found,) = findings_in(path, POLICY)
    assert (found.rule, found.line, found.column) == ("GPU010", 2, 12)


def test_loops_of_links_environments_and_hidden_names_do_no_harm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dead.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "venv_of_mine").mkdir()
    (tmp_path / "venv_of_mine" / "pyvenv.cfg").touch()
    for name in ("a.py", "venv_of_mine/b.py", " spaced \n.py", os.fsdecode(b"\xff.py")):
        written(tmp_path, BAD, name)
    (tmp_path / "again.py").symlink_to(tmp_path / "a.py")
    assert run(tmp_path, "--format", "json") == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert len(found) == 3 and {one["rule"] for one in found} == {"GPU010"}
    assert run(tmp_path) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_virtual_environment_is_read_where_it_is_named(tmp_path: Path) -> None:
    own = tmp_path / "env"
    own.mkdir()
    (own / "pyvenv.cfg").touch()
    written(own, BAD)
    assert run(own) == 1
    assert run(tmp_path) == 0


def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert run(tmp_path / "pipe") == 2
    assert "pipe: this is neither a file nor a folder" in capsys.readouterr().err


def test_a_folder_that_cannot_be_read_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "closed"
    closed.mkdir()
    scan = os.scandir

    def refuse(path: str) -> object:
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(closed))
        return scan(path)

    monkeypatch.setattr("os.scandir", refuse)
    assert run(tmp_path) == 1


def test_names_that_stand_for_each_other_or_grow_without_end_take_no_time(tmp_path: Path) -> None:
    growing = "\n".join(f"x{number} = x{number - 1} + x{number - 1}" for number in range(1, 200))
    text = f'import torch\na = b\nb = a\nx0 = "cuda"\n{growing}\nc = f"{{x199}}" + "%999999999d" % 1\n'
    begin = time.process_time()
    assert rules(tmp_path, f"{text}torch.cuda.set_device(a)\ntorch.cuda.set_device(x199)\n") == []
    assert time.process_time() - begin < 2


# reports and exit codes


def test_text_names_place_rule_and_what_can_be_mended(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, BAD)
    assert run(path) == 1
    said = f"{path}:2:27: GPU010 cuda:1: the one visible GPU is cuda:0. [--fix]\n"
    assert capsys.readouterr().out == said


def test_sarif_has_what_readers_need(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(written(tmp_path, BAD, "a b.py"), "--format", "sarif")
    data = json.loads(capsys.readouterr().out)
    assert data["version"] == "2.1.0" and "sarif-2.1.0" in data["$schema"]
    (one,) = data["runs"]
    assert [rule["id"] for rule in one["tool"]["driver"]["rules"]] == list(RULES)
    (result,) = one["results"]
    assert one["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "GPU010"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("/a%20b.py")
    assert place["region"] == {"startLine": 2, "startColumn": 27}


def test_exit_statuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(written(tmp_path, "x = 1\n")) == 0
    assert run(tmp_path / "nowhere") == 2
    assert main(["--policy", str(tmp_path / "none.toml"), str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "nowhere: there is no such file" in said and "none.toml: the GPU policy cannot be read" in said
    assert run("--rules") == 0 and "GPU040" in capsys.readouterr().out


def test_any_python_runs_it_without_a_package(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    command = [sys.executable, "-S", str(ROOT / "debug" / "gpu_audit.py"), str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 1 and "GPU010" in ended.stdout


# baseline


def test_a_baseline_passes_what_was_there_wherever_it_moves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, known = written(tmp_path, BAD), tmp_path / "known.json"
    assert run(path, "--write-baseline", known) == 0
    written(tmp_path, f"\n\n{BAD}\n")
    assert run(path, "--baseline", known) == 0
    written(tmp_path, f'{BAD}\n{BAD.splitlines()[1]}\nb = "cuda:2"\n')
    assert run(path, "--baseline", known) == 1
    assert [line.split(":")[1] for line in capsys.readouterr().out.splitlines()] == ["3", "4"]


def test_an_entry_that_is_not_found_any_more_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, known = written(tmp_path, BAD), tmp_path / "known.json"
    run(path, "--write-baseline", known)
    written(tmp_path, "a = 1\n")
    assert run(path, "--baseline", known) == 0
    assert f"{path}: GPU010 of the baseline is not found any more" in capsys.readouterr().err


def test_entries_of_files_that_are_not_asked_for_are_not_missed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, other, known = written(tmp_path, BAD), written(tmp_path, BAD, "y.py"), tmp_path / "known.json"
    run(tmp_path, "--write-baseline", known)
    capsys.readouterr()
    assert run(path, "--baseline", known) == 0
    assert "not found any more" not in capsys.readouterr().err
    other.unlink()
    assert run(path, "--baseline", known) == 0
    assert "y.py: GPU010 of the baseline is not found any more" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", '{"version": 9, "findings": []}', '{"version": 1, "findings": [1]}'])
def test_what_is_no_baseline_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    known = tmp_path / "known.json"
    known.write_text(text)
    assert run(written(tmp_path, BAD), "--baseline", known) == 2
    assert "known.json: no baseline" in capsys.readouterr().err


# fixes

BEFORE = '''#!/usr/bin/env python3
"""é."""
from __future__ import annotations

import torch

torch.cuda.set_device(1); é = torch.device("cuda", 1); d = "cuda:1"
torch.load("a.pt")
torch.load(
    ("b.pt"),  # , here too
)
torch.load("c.pt", weights_only=False)
'''
AFTER = '''#!/usr/bin/env python3
"""é."""
from __future__ import annotations

import os
os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
os.environ["CUDA_VISIBLE_DEVICES"] = "1"
import torch

torch.cuda.set_device(0); é = torch.device("cuda", 0); d = "cuda:0"
torch.load("a.pt", weights_only=True)
torch.load(
    ("b.pt"),  # , here too
 weights_only=True)
torch.load("c.pt", weights_only=False)
'''


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_is_mechanical_is_mended_once_and_the_file_kept(tmp_path: Path, end: str) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(BEFORE.replace("\n", end).encode())
    path.chmod(0o750)
    assert run(path, "--fix") == 1  # weights_only=False was somebody's decision
    assert path.read_bytes().decode() == AFTER.replace("\n", end)
    assert (tmp_path / "x.py.bak").read_bytes().decode() == BEFORE.replace("\n", end)
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert run(path, "--fix") == 1
    assert path.read_bytes().decode() == AFTER.replace("\n", end)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.py", "x.py.bak"]


def test_an_older_backup_is_not_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, BAD)
    written(tmp_path, "older", "x.py.bak")
    assert run(path, "--fix") == 0
    assert (tmp_path / "x.py.bak").read_text() == "older" and (tmp_path / "x.py.bak1").read_text() == BAD


def test_a_read_only_file_is_left_as_it_is_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, BAD)
    path.chmod(0o444)
    assert run(tmp_path, "--fix") == 1
    assert path.read_text() == BAD and list(tmp_path.iterdir()) == [path]
    assert "x.py: not mended: it is read-only." in capsys.readouterr().err


def test_files_that_are_no_python_do_not_stop_the_others_from_being_mended(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"# coding: nonsense\nd = 'cuda:1'\n")
    (tmp_path / "b.py").write_bytes(b"import torch\0")
    written(tmp_path, BAD)
    assert run(tmp_path, "--fix") == 1
    assert "cuda:0" in (tmp_path / "x.py").read_text()
    assert sorted(path.name for path in tmp_path.glob("*.bak")) == ["x.py.bak"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1"])
def test_a_mark_at_the_beginning_and_another_encoding_stay(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(f"# coding: {encoding.removesuffix('-sig')}\né = 'cuda:1'\n".encode(encoding))
    assert run(path, "--fix") == 0
    assert path.read_bytes().decode(encoding).endswith('é = "cuda:0"\n')
    assert path.read_bytes().startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")


def test_what_is_suppressed_or_made_of_constants_is_not_mended(tmp_path: Path) -> None:
    text = f"{BAD}  # gpu-audit: ignore[GPU010] two\nN = 1\ntorch.cuda.set_device(N)\n"
    path = written(tmp_path, text)
    assert run(path, "--fix") == 1
    assert path.read_text() == text and not (tmp_path / "x.py.bak").exists()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    real = written(tmp_path / "real", BAD)
    link = tmp_path / "link.py"
    link.symlink_to(real)
    assert run(link, "--fix") == 0
    assert link.is_symlink() and "cuda:0" in real.read_text()


# our own tree


def test_our_own_code_breaks_no_rule() -> None:
    folders = ["app.py", "benchmarks", "cli", "debug", "routes", "services", "tests", "workflow_scripts"]
    assert main([str(ROOT / folder) for folder in folders]) == 0
