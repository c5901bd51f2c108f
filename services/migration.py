"""Making a database and bringing an older one up to date: numbered files, one at a time, after a backup."""

from __future__ import annotations

import fcntl
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from workflow_scripts.common.atomic import replace, temporary_path
from workflow_scripts.common.errors import PreconditionError

MIGRATIONS = Path(__file__).parent / "migrations"
_NAME = re.compile(r"(\d{4})_\w+\.sql")
#: Written into the file, so that another program's database is not taken for one of these.
_APPLICATION = 0x56574C4F


class StoreUnusable(PreconditionError):
    """Raised when the database file is damaged, too new, another program's, or cannot be opened."""


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection without transactions of its own that any thread may use, one at a time."""
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    # A reader waits for what is short (recovery after a crash); writers take turns in Database.
    connection.execute(f"PRAGMA busy_timeout = {5000 if read_only else 100}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def prepare(path: Path, folder: Path = MIGRATIONS) -> int:
    """Make or migrate a database file and return its version; of several processes one does it, the others wait.

    Raises:
        StoreUnusable: see there.
        sqlite3.DatabaseError: the file is damaged, or cannot be opened.
    """
    scripts = migrations_in(folder)
    latest = max(scripts)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f"{path.name}.lock").open("w")
    except OSError as error:
        raise StoreUnusable(f"{path.parent}: nothing can be written there ({error.strerror}).") from error
    with lock, closing(connect(path)) as connection:
        fcntl.flock(lock, fcntl.LOCK_EX)
        version = _version(path, connection, latest)
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreUnusable(
                f"{path}: the database cannot be used safely on this file system.",
                hint="Put the data folder on a local disk.",
            )
        if version < latest:
            _migrate(path, connection, {number: scripts[number] for number in range(version + 1, latest + 1)})
    return latest


def migrations_in(folder: Path) -> dict[int, Path]:
    """The migrations in a folder by number, from 1 on without a gap."""
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob("*.sql"))
    found = sorted((int(match[1]), path) for match, path in named if match)
    if [number for number, _ in found] != list(range(1, len(found) + 1)) or not found:
        raise StoreUnusable(f"{folder}: the migrations are not numbered from 1 without a gap.")
    return dict(found)


def backup_path(path: Path, version: int) -> Path:
    """Where a database of a version is kept when it is migrated."""
    return path.with_name(f"{path.name}.backup-{version}")


def newest_backup(path: Path) -> Path | None:
    """The backup of the latest version there is."""
    beside = path.parent.glob(f"{path.name}.backup-*")
    numbered = [(int(found.suffix.rpartition("-")[2]), found) for found in beside if found.suffix[-1:].isdigit()]
    return max(numbered)[1] if numbered else None


def copy(path: Path, target: Path) -> None:
    """Copy a database consistently while others write; the target appears when it is complete."""
    temporary = temporary_path(target)
    try:
        with closing(connect(path, read_only=True)) as source, closing(sqlite3.connect(temporary)) as copied:
            source.backup(copied)
        replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _version(path: Path, connection: sqlite3.Connection, latest: int) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and owner != _APPLICATION:
        raise StoreUnusable(f"{path}: this is another program's database.", hint="Move it away.")
    if version > latest:
        raise StoreUnusable(
            f"{path}: the database has version {version}, this program knows versions up to {latest}.",
            hint="Use the newer program that wrote it.",
        )
    return version


def _migrate(path: Path, connection: sqlite3.Connection, scripts: Mapping[int, Path]) -> None:
    """Run migrations in one transaction; on any error the file stays as it was."""
    connection.execute("PRAGMA foreign_keys = OFF")  # so that a table can be made anew and take the old one's name
    connection.execute("PRAGMA busy_timeout = 30000")
    with _transaction(connection):
        before = min(scripts) - 1
        if before:  # nobody can write between this and the change: the transaction holds the right to
            copy(path, backup_path(path, before))
        for number, script in scripts.items():
            _run(connection, script)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        if connection.execute("PRAGMA foreign_key_check").fetchall():
            raise StoreUnusable(
                f"{path}: a migration would leave rows that belong to nothing; nothing was changed."
            )


def _run(connection: sqlite3.Connection, script: Path) -> None:
    try:
        for statement in _statements(script.read_text(encoding="utf-8")):
            connection.execute(statement)
    except (sqlite3.OperationalError, sqlite3.IntegrityError) as error:
        raise StoreUnusable(f"{script.name}: the migration failed ({error}); nothing was changed.") from error


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, for `executescript` would commit before it begins."""
    *pieces, rest = script.split(";")
    statement = ""
    for piece in pieces:
        statement += f"{piece};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    yield statement + rest  # what is left is a comment, or an error that SQLite shall name


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
