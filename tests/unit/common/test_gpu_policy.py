"""What the GPU policy says of each GPU, and what is wrong with a file that it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_scripts.common.errors import UsageError
from workflow_scripts.common.gpu_choice import choose, difference, first_word, visible_gpus
from workflow_scripts.common.gpu_inventory import Inventory, inventory
from workflow_scripts.common.gpu_policy import Gpu, Policy, Selection, policy_path, read_policy, same_place
from workflow_scripts.common.paths import ROOT

GIB = 1 << 30
TI = Gpu(0, "NVIDIA GeForce RTX 5060 Ti", "GPU-5060aaaa-1", "0000:00:00.0", 16 * GIB)
BIG = Gpu(1, "NVIDIA GeForce RTX 3090", "GPU-3090bbbb-1", "0000:01:00.0", 24 * GIB)
TWIN = Gpu(2, "NVIDIA GeForce RTX 3090", "GPU-3090cccc-2", "0000:02:00.0", 24 * GIB)
NAMELESS = Gpu(3, "Old GPU", "", "0000:03:00.0", None)
SEED = Path(__file__).parents[1] / "debug" / "gpu_audit_cases" / "policy.toml"


def policy_of(folder: Path, text: str) -> Policy:
    """The policy of a text."""
    path = folder / "gpu_policy.toml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path)


# what comes with the product


def test_what_is_shipped_allows_every_gpu_of_two_gigabytes_and_goes_on_without() -> None:
    policy = read_policy(ROOT / "config" / "gpu_policy.toml")
    small = Gpu(0, "Small", "GPU-1", "0000:01:00.0", GIB)
    assert [policy.objection(gpu) for gpu in (TI, BIG, NAMELESS)] == ["", "", ""]
    assert policy.objection(small) == "has less than 2 GB of memory"
    assert (policy.none_allowed, policy.allocator) == ("cpu", "")


def test_the_example_in_the_file_is_the_tested_one() -> None:
    lines = (ROOT / "config" / "gpu_policy.toml").read_text().splitlines()
    example = [line.removeprefix("#").strip() for line in lines[lines.index("buses = []", 25) :]]
    wanted = [line for line in SEED.read_text().splitlines() if line]
    assert [line for line in example if line in wanted] == wanted


def test_a_configuration_folder_without_a_policy_has_the_shipped_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKFLOW_CONFIG_DIR", str(tmp_path))
    assert policy_path() == ROOT / "config" / "gpu_policy.toml"
    (tmp_path / "gpu_policy.toml").write_text('none_allowed = "refuse"')
    assert read_policy().none_allowed == "refuse"


# one small GPU that must not, one large that alone may


def test_only_the_3090_on_bus_1_is_allowed() -> None:
    policy = read_policy(SEED)
    assert policy.objection(BIG) == ""
    assert policy.objection(TI) == "is forbidden by its name (“*rtx 5060 ti*”)"
    assert policy.objection(TWIN) == "is not among the allowed by its bus"
    moved = Gpu(0, BIG.name, BIG.uuid, "0000:00:00.0", BIG.memory)
    assert policy.objection(moved) == "is forbidden by its bus (“00”)"
    less = Gpu(1, BIG.name, BIG.uuid, BIG.bus, 16 * GIB)
    assert policy.objection(less) == "has less than 20 GB of memory"


@pytest.mark.parametrize(
    ("visible", "state", "given"),
    [
        (None, "granted", BIG.uuid),
        ("1", "granted", BIG.uuid),
        ("0,1", "granted", BIG.uuid),
        ("GPU-3090", "granted", BIG.uuid),
        ("0", "blocked", ""),  # nobody gets the forbidden one by asking for it
        ("GPU-5060aaaa-1", "blocked", ""),
        ("", "blocked", ""),
        ("-1", "blocked", ""),
    ],
)
def test_what_a_process_gets_on_that_machine(visible: str | None, state: str, given: str) -> None:
    choice = choose(read_policy(SEED), Inventory((TI, BIG)), visible)
    assert (choice.state, choice.visible) == (state, given)
    assert bool(choice.why) == (state == "blocked")


@pytest.mark.parametrize(
    "pattern", ["RTX 5060 Ti", "rtx 5060", "*5060*", "NVIDIA GeForce RTX 5060 Ti", "*RTX ?060 Ti"]
)
def test_a_name_is_a_pattern_or_a_part_of_the_name(pattern: str) -> None:
    gpu = Gpu(0, "NVIDIA GeForce RTX 5060 Ti")
    assert "is forbidden by its name" in Policy(forbidden=Selection(names=(pattern.lower(),))).objection(gpu)


@pytest.mark.parametrize("pattern", ["RTX 5060 Ti*", "RTX 3090", "[R]TX", "5060 Ti Super"])
def test_another_name_does_not_forbid(pattern: str) -> None:
    gpu = Gpu(0, "NVIDIA GeForce RTX 5060 Ti")
    assert Policy(forbidden=Selection(names=(pattern.lower(),))).objection(gpu) == ""


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_bytes(b"\xef\xbb\xbfnone_allowed = 'refuse'\r\n")
    assert read_policy(path).none_allowed == "refuse"


def test_without_the_3090_the_sentence_names_each_gpu_and_why_not() -> None:
    choice = choose(read_policy(SEED), Inventory((TI, TWIN)), None)
    assert choice.gpu is None and choice.why == (
        "No GPU may be used: NVIDIA GeForce RTX 5060 Ti (16 GB, bus 0000:00:00.0, GPU-5060aaaa-1) is forbidden by"
        " its name (“*rtx 5060 ti*”); NVIDIA GeForce RTX 3090 (24 GB, bus 0000:02:00.0, GPU-3090cccc-2) is not"
        " among the allowed by its bus."
    )


# the parts of a policy


def test_of_twins_the_uuid_or_the_bus_chooses() -> None:
    by_uuid = Policy(allowed=Selection(uuids=("gpu-3090c",)))
    by_bus = Policy(allowed=Selection(buses=("02:00.0",)))
    for policy in (by_uuid, by_bus):
        assert choose(policy, Inventory((TI, BIG, TWIN)), None).gpu == TWIN


def test_of_those_that_are_allowed_a_free_one_comes_first() -> None:
    found = Inventory((BIG, TWIN))
    assert choose(Policy(), found, None, lambda key: key == BIG.uuid).gpu == TWIN
    assert choose(Policy(), found, None, lambda _key: True).gpu == BIG


def test_what_the_policy_must_know_and_nobody_tells_counts_as_forbidden() -> None:
    assert Policy(forbidden=Selection(uuids=("gpu-1",))).objection(NAMELESS) == (
        "does not tell its UUID, by which the policy goes"
    )
    homeless = Gpu(0, "X", "GPU-1")
    assert "does not tell its bus" in Policy(allowed=Selection(buses=("01",))).objection(homeless)


def test_a_gpu_without_uuid_is_given_by_its_number() -> None:
    assert choose(Policy(), Inventory((NAMELESS,)), None).visible == "3"


def test_a_mig_device_is_allowed_as_the_gpu_it_is_part_of_and_by_itself() -> None:
    part = Gpu(0, "NVIDIA A100 MIG 1g.5gb", "MIG-1", "0000:01:00.0", 5 * 10**9, "GPU-1")
    other = Gpu(0, "NVIDIA A100 MIG 1g.5gb", "MIG-2", "0000:01:00.0", 5 * 10**9, "GPU-1")
    assert Policy(allowed=Selection(("*a100*",), ("gpu-1",), ("01",))).objection(part) == ""
    assert choose(Policy(allowed=Selection(uuids=("mig-2",))), Inventory((part, other)), None).visible == "MIG-2"
    assert choose(Policy(), Inventory((part, other)), "0").visible == "MIG-1"
    assert choose(Policy(), Inventory((part, other)), "GPU-1").visible == "MIG-1"
    assert choose(Policy(forbidden=Selection(uuids=("gpu-1",))), Inventory((part, other)), None).gpu is None


@pytest.mark.parametrize(
    ("wanted", "bus", "same"),
    [
        ("1", "0000:01:00.0", True),
        ("01", "0000:01:00.0", True),
        ("01:00", "0000:01:00.0", True),
        ("01:00.0", "0000:01:00.0", True),
        ("00000000:01:00.0", "0000:01:00.0", True),
        ("0A", "0000:0a:00.0", True),
        ("10", "0000:0a:00.0", False),
        ("01:00.1", "0000:01:00.0", False),
        ("0001:01", "0000:01:00.0", False),
        ("01", "", False),
    ],
)
def test_pci_addresses(wanted: str, bus: str, same: bool) -> None:
    assert same_place(wanted, bus) == same


@pytest.mark.parametrize(
    ("visible", "seen"),
    [
        (None, [TI, BIG, TWIN]),
        ("1,0", [BIG, TI]),
        ("GPU-3090", []),  # two begin so: CUDA takes neither
        ("gpu-3090C", [TWIN]),
        ("1,7,0", [BIG]),  # CUDA stops at what it does not know
        ("1,1", [BIG]),
        ("NoDevFiles", []),
    ],
)
def test_what_cuda_makes_visible(visible: str | None, seen: list[Gpu]) -> None:
    assert visible_gpus((TI, BIG, TWIN), visible) == seen


def test_the_first_visible_device_where_nobody_tells_the_gpus() -> None:
    assert [first_word(text) for text in (None, "", "2,1", " GPU-a ")] == ["0", "", "2", "GPU-a"]
    unknown = choose(Policy(), Inventory(trouble="The driver is broken."), None)
    assert (unknown.state, unknown.visible, unknown.why) == ("unknown", "0", "The driver is broken.")


def test_a_machine_without_gpus_has_nothing_to_hide() -> None:
    choice = choose(Policy(), Inventory(), None)
    assert (choice.state, choice.visible) == ("absent", None)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (BIG, ""),
        (Gpu(0, BIG.name, "", "", int(23.7 * GIB)), ""),  # torch counts without what the driver keeps
        (TWIN, "its UUID is GPU-3090cccc-2"),
        (Gpu(0, TI.name, "", "", BIG.memory), "it is called NVIDIA GeForce RTX 5060 Ti"),
        (Gpu(0, BIG.name, "", "", 12 * GIB), "it has 12.0 GB of memory"),
    ],
)
def test_whether_what_torch_sees_is_what_was_granted(seen: Gpu, said: str) -> None:
    assert difference(BIG, seen) == said


# files that are no policy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ", "cannot be read (Invalid value (at "),
        ("\n\nnone_allowed = refuse", "at line 3, column"),
        ("minimum_memory_mb = 3", "there is no minimum_memory_mb. Did you mean minimum_memory_gb?"),
        ("[allowed]\nname = []", "[allowed] has no name. Did you mean names?"),
        ("allowed = 3", "allowed must be a table"),
        ("[forbidden]\nnames = 'x'", "[forbidden] names must be a list of texts"),
        ("[forbidden]\nbuses = [0]", "[forbidden] buses must be a list of texts"),
        ("[forbidden]\nbuses = ['bus 0']", "[forbidden] buses: “bus 0” is no PCI address"),
        ("[allowed]\nuuids = ['3090']", "[allowed] uuids: “3090” is no UUID of a GPU"),
        ("none_allowed = 'gpu'", 'none_allowed must be "cpu" or "refuse"'),
        ("none_allowed = []", 'none_allowed must be "cpu" or "refuse"'),
        ("minimum_memory_gb = '2'", "minimum_memory_gb must be a number"),
        ("minimum_memory_gb = -1", "minimum_memory_gb must be a number"),
        ("minimum_memory_gb = nan", "minimum_memory_gb must be a number"),
        ("allocator = 3", "allocator must be a text"),
        ("[audit]\nvisibel = ['1']", "[audit] has no visibel. Did you mean visible?"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        policy_of(tmp_path, text)
    assert said in str(error.value) and str(error.value).startswith("gpu_policy.toml: ")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "gpu_policy.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        read_policy(tmp_path / "gpu_policy.toml")


# nvidia-smi

TABLE = """\
0, NVIDIA GeForce RTX 5060 Ti, GPU-5060aaaa-1, 00000000:00:00.0, 16384, [N/A]
1, NVIDIA GeForce RTX 3090, GPU-3090bbbb-1, 00000000:01:00.0, 24576, [N/A]
"""
MIG_TABLE = """\
0, NVIDIA A100, GPU-1, 00000000:01:00.0, 40960, Enabled
1, NVIDIA A30, GPU-2, 00000000:02:00.0, 24576, Disabled
"""
MIG_LIST = """\
GPU 0: NVIDIA A100 (UUID: GPU-1)
  MIG 3g.20gb     Device  0: (UUID: MIG-1)
  MIG 1g.5gb+me   Device  1: (UUID: MIG-2)
GPU 1: NVIDIA A30 (UUID: GPU-2)
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with the files of a driver, and nothing on the PATH yet."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def nvidia_smi(folder: Path, table: str, listing: str = "", code: int = 0, not_valid: str = "") -> None:
    """Put a tool that answers so on the PATH."""
    script = f"""#!/bin/sh
case "$1" in
*{not_valid or "never"}*) echo 'Field "{not_valid}" is not a valid field to query.'; exit 2;;
-L) printf '%s' '{listing}';;
*) printf '%s' '{table}'; exit {code};;
esac
"""
    (folder / "nvidia-smi").write_text(script)
    (folder / "nvidia-smi").chmod(0o755)


def test_the_gpus_as_nvidia_smi_tells_them(machine: Path) -> None:
    nvidia_smi(machine, TABLE)
    assert inventory(machine) == Inventory((TI, BIG))


def test_a_driver_from_before_mig_is_asked_again(machine: Path) -> None:
    nvidia_smi(machine, TABLE.replace(", [N/A]", ""), not_valid="mig.mode.current")
    assert inventory(machine) == Inventory((TI, BIG))


def test_mig_devices_stand_in_place_of_the_gpu_they_divide(machine: Path) -> None:
    nvidia_smi(machine, MIG_TABLE, MIG_LIST)
    found = inventory(machine).gpus
    assert [(gpu.number, gpu.name, gpu.uuid, gpu.memory, gpu.part_of) for gpu in found] == [
        (0, "NVIDIA A100 MIG 3g.20gb", "MIG-1", 20 * 10**9, "GPU-1"),
        (0, "NVIDIA A100 MIG 1g.5gb+me", "MIG-2", 5 * 10**9, "GPU-1"),
        (1, "NVIDIA A30", "GPU-2", 24 * GIB, ""),
    ]


def test_what_a_gpu_does_not_tell_is_left_open(machine: Path) -> None:
    nvidia_smi(machine, "3, Old GPU, [Not Supported], 00000000:03:00.0, [N/A]")
    assert inventory(machine) == Inventory((NAMELESS,))


@pytest.mark.parametrize(
    ("said", "helps"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch", "restart the machine"),
        ("Failed to initialize NVML: Insufficient Permissions", "/dev/nvidia*"),
        (
            "NVIDIA-SMI has failed because it couldn" + "'\\''" + "t communicate with the NVIDIA driver",
            "Install the driver",
        ),
        ("Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.", "restart the machine"),
        ("", "it says nothing"),
    ],
)
def test_a_broken_driver_is_a_sentence(machine: Path, said: str, helps: str) -> None:
    nvidia_smi(machine, said, code=9)
    found = inventory(machine)
    assert found.gpus == () and helps in found.trouble and "\n" not in found.trouble


def test_of_several_gpus_the_one_that_is_lost_does_not_hide_the_others(machine: Path) -> None:
    nvidia_smi(machine, f"{TABLE}Unable to determine the device handle for GPU 0000:02:00.0: Unknown Error", code=9)
    assert inventory(machine).gpus == (TI, BIG)


def test_a_driver_without_nvidia_smi_is_told(machine: Path) -> None:
    assert "nvidia-smi is not there" in inventory(machine).trouble


def test_a_machine_without_such_a_gpu_has_no_trouble(machine: Path) -> None:
    (machine / "dev" / "nvidia0").unlink()
    assert inventory(machine) == Inventory()
    nvidia_smi(machine, "NVIDIA-SMI has failed", code=9)
    assert inventory(machine) == Inventory()
    device = machine / "sys" / "bus" / "pci" / "devices" / "0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x10de\n")
    (device / "class").write_text("0x030000\n")
    assert inventory(machine).trouble
