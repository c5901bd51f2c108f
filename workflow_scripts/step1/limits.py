"""How much an archive may unpack to, counted on the bytes that really come out."""

from __future__ import annotations

from dataclasses import dataclass

from workflow_scripts.common.errors import RefusedError
from workflow_scripts.step1.members import shown


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; sizes in bytes.

    Attributes:
        entries: how many entries, folders included.
        total: how much all files may hold together.
        single: how much one file may hold.
        ratio: how many times the size of the archive may come out of it, once `ratio_after` bytes have.
            Video does not compress: a ratio of 200 is a bomb (1 GiB of zeros in a zip is 1,029).
        ratio_after: below this many bytes any ratio is fine.
        keep_free: how much of the disk stays free.
    """

    entries: int = 10_000
    total: int = 500 * 10**9
    single: int = 200 * 10**9
    ratio: int = 200
    ratio_after: int = 100 * 10**6
    keep_free: int = 2 * 10**9


class Meter:
    """Counts what comes out of one archive and stops it at the first limit.

    Args:
        source: the archive's name, for the sentence.
        limits: the limits.
        packed: size of the archive in bytes.
        room: how many bytes the disk can take.
    """

    def __init__(self, source: str, limits: Limits, packed: int, room: int) -> None:
        self.total = 0
        self._source = shown(source)
        self._limits = limits
        self._packed = packed
        self._room = room
        self._single = 0

    def begin(self) -> None:
        """The next bytes belong to another file."""
        self._single = 0

    def add(self, count: int) -> None:
        """Count bytes that came out, before they go anywhere.

        Raises:
            RefusedError: a limit is passed.
        """
        self.total += count
        self._single += count
        self.check(self.total, self._single)

    def check(self, total: int, single: int) -> None:
        """Hold a total and the size of one file (bytes) against the limits; used for declared sizes too."""
        limits = self._limits
        if total > limits.ratio_after and total > limits.ratio * self._packed:
            self._refuse(
                f"unpacks to more than {limits.ratio} times its size ({in_words(self._packed)}), "
                "as no archive of videos does"
            )
        if single > limits.single:
            self._refuse(f"holds a file of over {in_words(limits.single)}", setting="max_file_gb")
        if total > limits.total:
            self._refuse(f"unpacks to over {in_words(limits.total)}", setting="max_total_gb")
        if total > self._room:
            raise RefusedError(
                f"{self._source}: unpacks to over {in_words(self._room)}, which is what the disk can take.",
                hint=f"Free some space ({in_words(limits.keep_free)} always stay free) and run STEP1 again.",
            )

    def check_entries(self, count: int) -> None:
        """Refuse an archive of too many entries.

        Raises:
            RefusedError: there are more than `limits.entries`.
        """
        if count > self._limits.entries:
            self._refuse(f"holds more than {self._limits.entries:,} entries", setting="max_entries")

    def _refuse(self, what: str, setting: str = "") -> None:
        hint = f"If it is right, raise {setting} in config/step1_extract.json." if setting else ""
        raise RefusedError(f"{self._source}: {what}.", hint=hint)


def in_words(size: int) -> str:
    """A size in bytes for a reader: 1,500,000 is '1.5 MB'."""
    value = float(max(size, 0))
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
