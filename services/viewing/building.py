"""Making an index from artifacts: each is read once, frame by frame where it is large.

`python -m services.viewing.building KIND TARGET ROLE=FILE …` does it in a process of its own, which says on its
standard output how far it is, and at the end why it failed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from services.viewing.build_faces import faces_index
from services.viewing.build_shots import shots_index
from services.viewing.build_sound import sound_index
from services.viewing.build_words import words_index
from services.viewing.index import Index, write_index
from services.viewing.sources import Kind
from workflow_scripts.common.errors import WorkflowError

#: What is told the share that is done.
Tell = Callable[[float], None]
_INDEX_OF: Mapping[str, Callable[[Mapping[str, Path], Tell], Index]] = {
    "shots": shots_index,
    "sound": sound_index,
    "faces": faces_index,
    "words": words_index,
}


def build(kind: Kind, files: Mapping[str, Path], target: Path, tell: Tell) -> None:
    """Read artifacts and write their index.

    Raises:
        ArtifactError: one cannot be read.
        OSError: the index cannot be written.
    """
    write_index(target, _INDEX_OF[kind](files, tell))


def main(arguments: list[str]) -> int:
    """Build as the arguments say; one line of JSON for each share done."""
    os.nice(10)  # whoever looks at pages comes first
    kind, target, *files = arguments
    roles = dict(part.split("=", 1) for part in files)
    try:
        build(kind, {role: Path(path) for role, path in roles.items()}, Path(target), _say)  # type: ignore[arg-type]
    except WorkflowError as error:
        print(json.dumps({"message": error.message, "hint": error.hint}), flush=True)
        return error.exit_code
    except OSError as error:
        print(json.dumps({"errno": error.errno, "message": str(error)}), flush=True)
        return 1
    return 0


def _say(share: float) -> None:
    print(json.dumps({"share": share}), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
