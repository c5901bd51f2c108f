"""The rules, and what the audit says about a place in a file."""

from __future__ import annotations

from dataclasses import dataclass, field

#: What each rule is about, in one sentence.
RULES = {
    "GPU000": "The file cannot be read as Python.",
    "GPU001": "A program that computes with CUDA never sets CUDA_DEVICE_ORDER before torch is imported.",
    "GPU002": "A program that computes with CUDA never sets CUDA_VISIBLE_DEVICES before torch is imported.",
    "GPU003": "A variable that CUDA or torch reads is set after torch is imported.",
    "GPU004": "CUDA_DEVICE_ORDER is another than PCI_BUS_ID.",
    "GPU005": "CUDA_VISIBLE_DEVICES names a GPU that the policy does not allow.",
    "GPU006": "CUDA_VISIBLE_DEVICES makes several GPUs visible, or is taken away.",
    "GPU010": "A device string names another GPU than cuda:0.",
    "GPU011": "torch.device is given another index than 0.",
    "GPU012": "A GPU other than the first is made the current one.",
    "GPU013": "A function of torch.cuda, or a move, is given another index than 0.",
    "GPU014": "A parameter or variable that is an index of a GPU is another than 0.",
    "GPU015": "Work is spread over several GPUs.",
    "GPU020": "Half precision is on where nobody says otherwise.",
    "GPU021": "Half precision is used without a choice.",
    "GPU030": "MPS is chosen in code that runs Whisper.",
    "GPU040": "torch.load is called without weights_only=True.",
    "GPU090": "A suppression gives no reason.",
    "GPU091": "A suppression suppresses nothing, or names no rule there is.",
}


@dataclass(frozen=True)
class Edit:
    """What to write in place of a piece of a file: lines count from 1, columns from 0 in bytes of UTF-8."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that is broken; `line` and `column` (of characters) count from 1, `edit` mends what is mechanical."""

    path: str
    line: int
    column: int
    rule: str
    message: str
    end_line: int = field(default=0, compare=False)
    code: str = field(default="", compare=False)
    edit: Edit | None = field(default=None, compare=False)
