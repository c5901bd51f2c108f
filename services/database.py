"""The one database file: opening, short transactions, and sentences for what goes wrong with it.

SQLite in WAL mode with `synchronous=FULL`: what was committed survives a power cut, readers never wait for writers.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import uniform

from services.migration import MIGRATIONS, StoreUnusable, connect, copy, newest_backup, prepare
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.paths import data_folder

NAME = "workflow.db"
#: Seconds that a writer waits for its turn before it gives up.
PATIENCE = 30.0
#: Seconds between two tries. Even, not growing: who has waited long is not put behind who has just come.
_PAUSE = (0.001, 0.01)


class StoreError(WorkflowError):
    """Raised when the database cannot be written just now; nothing of the change was kept."""


class Database:
    """A database file, made or migrated when it is opened; may be shared by all threads of a process.

    Writers of one process take turns on one connection; readers borrow one each. Not to be carried across a fork.

    Args:
        path: the file; `workflow.db` in the data folder if not given.
        patience: seconds that a writer waits for other processes.
        migrations: the folder of numbered `.sql` files.

    Raises:
        StoreUnusable: the file is damaged, newer than this program, not a database of it, or cannot be opened.
    """

    def __init__(
        self, path: Path | None = None, *, patience: float = PATIENCE, migrations: Path = MIGRATIONS
    ) -> None:
        self.path = path or data_folder() / NAME
        self._patience = patience
        self._turn = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._readers: list[sqlite3.Connection] = []
        self._closed = False
        with self._sentences():
            self._version = prepare(self.path, migrations)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the only right to write; committed when the block ends without an error.

        Raises:
            StoreError: others kept writing for too long, or the disk is full; nothing was changed.
            StoreUnusable: the file is damaged, or was migrated by a newer program meanwhile.
        """
        deadline = time.monotonic() + self._patience
        if not self._turn.acquire(timeout=self._patience):
            raise self._busy()
        try:
            with self._sentences():
                yield from self._transaction(deadline)
        finally:
            self._turn.release()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """A connection that cannot write and sees one state of the database until the block ends."""
        with self._sentences():
            connection = self._reader()
            try:
                connection.execute("BEGIN")
                self._check_version(connection)
                yield connection
            except BaseException:
                connection.close()
                raise
            connection.execute("ROLLBACK")
            self._readers.append(connection)
            if self._closed:
                self._close_readers()

    def copy_to(self, target: Path) -> None:
        """Write a consistent copy with everything committed so far, while others go on writing."""
        with self._sentences():
            copy(self.path, target)

    def faults(self) -> list[str]:
        """What SQLite's integrity check finds; empty when the file is sound. Reads the whole file."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        """Close all connections; those that are lent are closed when they come back."""
        self._closed = True
        self._close_readers()
        with self._turn:
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def _transaction(self, deadline: float) -> Iterator[sqlite3.Connection]:
        if self._closed:
            raise StoreError(f"{self.path.name}: the database has been closed.")
        connection = self._writer = self._writer or connect(self.path)
        self._begin(connection, deadline)
        try:
            self._check_version(connection)
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back on a full disk
                connection.execute("ROLLBACK")
            raise

    def _begin(self, connection: sqlite3.Connection, deadline: float) -> None:
        """Take the right to write, trying until the deadline."""
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() >= deadline:
                    raise self._busy() from error
            time.sleep(uniform(*_PAUSE))

    def _check_version(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != self._version:
            raise StoreUnusable(
                f"{self.path}: the database was taken to version {version} while this program of version"
                f" {self._version} was running.",
                hint="Start this program again.",
            )

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return connect(self.path, read_only=True)

    def _close_readers(self) -> None:
        while self._readers:
            self._readers.pop().close()

    def _busy(self) -> StoreError:
        return StoreError(
            f"{self.path}: others have been writing for {self._patience:g} s without a pause.",
            hint="Try again; if it stays so, look for a program that holds the file open.",
            retry=True,
        )

    @contextmanager
    def _sentences(self) -> Iterator[None]:
        """Say as a sentence what is wrong with the file or its disk; what is wrong with a query goes through."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            said = self._sentence(error)
            if said is None:
                raise
            raise said from error

    def _sentence(self, error: sqlite3.DatabaseError) -> WorkflowError | None:
        code = _code(error)
        if code == sqlite3.SQLITE_BUSY:
            return self._busy()
        if code == sqlite3.SQLITE_FULL:
            return StoreError(
                f"{self.path}: no space is left on the disk; the change was not kept, what was there is.",
                hint="Free some space.",
                retry=True,
            )
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            backup = newest_backup(self.path)
            instead = f"put {backup.name} in its place" if backup else "move it away to begin with an empty one"
            return StoreUnusable(
                f"{self.path}: the database is damaged ({error}); it was left as it is.",
                hint=f"Stop everything that uses it, keep it, and {instead}.",
            )
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return StoreUnusable(
                f"{self.path}: the database cannot be opened for writing ({error}).",
                hint="Look at the rights of the file and of its folder.",
            )
        if code == sqlite3.SQLITE_IOERR:
            return StoreError(f"{self.path}: the disk failed ({error}); the change was not kept.", retry=True)
        return None


def _code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
