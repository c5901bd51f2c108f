"""The database file: made once, migrated after a backup, sound whenever it is copied, never damaged further."""

from __future__ import annotations

import gc
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from services.database import Database, StoreError
from services.migration import MIGRATIONS, StoreUnusable, backup_path, migrations_in
from workflow_scripts.common.paths import ROOT

SCRIPTS = {
    1: "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT); -- a note; not a statement\n",
    2: "ALTER TABLE notes ADD COLUMN colour TEXT DEFAULT 'red';\nCREATE TABLE more (x);\n-- the end\n",
    3: "UPDATE notes SET colour = 'blue';",
}
LATEST = max(migrations_in(MIGRATIONS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "été ?%41#" / "workflow.db"


def folder_of(tmp_path: Path, latest: int, scripts: dict[int, str] = SCRIPTS) -> Path:
    """A folder with the first migrations."""
    folder = tmp_path / f"migrations-{latest}"
    folder.mkdir(exist_ok=True)
    for number in range(1, latest + 1):
        (folder / f"{number:04}_change.sql").write_text(scripts[number])
    return folder


def make_notes(path: Path, tmp_path: Path, version: int = 1, notes: int = 1) -> None:
    """A database of an earlier version with notes in it."""
    with closing(Database(path, migrations=folder_of(tmp_path, version))) as database, database.write() as writer:
        writer.executemany("INSERT INTO notes (text) VALUES (?)", [(f"note {n}",) for n in range(notes)])


def notes_in(path: Path) -> list[str]:
    """The notes in a file, whatever its version."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in connection.execute("SELECT text FROM notes ORDER BY id")]


def version_of(path: Path) -> int:
    """The version a file says it has."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_a_new_database_lies_in_the_data_folder_and_survives_a_power_cut(data_folder: Path) -> None:
    with closing(Database()) as database, database.write() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "user_version")
        ]
    assert settings == ["wal", 2, 1, LATEST]
    assert (data_folder / "workflow.db").is_file()
    assert not list(data_folder.glob("*.backup-*"))


def test_every_earlier_version_of_the_store_can_be_migrated(tmp_path: Path, path: Path) -> None:
    scripts = {number: script.read_text() for number, script in migrations_in(MIGRATIONS).items()}
    for version in range(1, LATEST):
        one = path.with_name(f"from-{version}.db")
        Database(one, migrations=folder_of(tmp_path, version, scripts)).close()
        Database(one).close()
        assert (version_of(one), version_of(backup_path(one, version))) == (LATEST, version)


@pytest.mark.parametrize("version", [1, 2])
def test_a_migration_keeps_what_is_there_after_a_backup_of_it(tmp_path: Path, path: Path, version: int) -> None:
    make_notes(path, tmp_path, version)
    with closing(Database(path, migrations=folder_of(tmp_path, 3))) as database, database.read() as connection:
        assert [tuple(row) for row in connection.execute("SELECT * FROM notes")] == [(1, "note 0", "blue")]
    assert version_of(path) == 3
    assert [p.name for p in path.parent.glob("*backup*")] == [f"workflow.db.backup-{version}"]
    assert notes_in(backup_path(path, version)) == ["note 0"]
    assert version_of(backup_path(path, version)) == version


def test_a_migration_that_fails_changes_nothing(tmp_path: Path, path: Path) -> None:
    make_notes(path, tmp_path)
    folder = folder_of(tmp_path, 3, {**SCRIPTS, 3: "DELETE FROM notes; DROP TABLE nothing_of_that_name;"})
    with pytest.raises(StoreUnusable, match=r"0003_change.sql: the migration failed .*nothing_of_that_name"):
        Database(path, migrations=folder)
    assert (version_of(path), notes_in(path)) == (1, ["note 0"])


def test_of_two_processes_that_start_at_once_one_migrates_and_the_other_waits(tmp_path: Path, path: Path) -> None:
    make_notes(path, tmp_path, notes=1000)
    scripts = {1: SCRIPTS[1], 2: "INSERT INTO notes (text) SELECT 'once' || id FROM notes;"}
    code = (
        "import sys, pathlib; from services.database import Database\n"
        "path, folder = map(pathlib.Path, sys.argv[1:])\n"
        "sys.stdin.readline()\n"
        "with Database(path, migrations=folder).read() as c:\n"
        "    print(c.execute('SELECT count(*) FROM notes').fetchone()[0])"
    )
    command = [sys.executable, "-c", code, str(path), str(folder_of(tmp_path, 2, scripts))]
    both = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate()[0].strip() for process in both] == ["2000", "2000"]
    assert len(notes_in(backup_path(path, 1))) == 1000


def test_a_newer_database_is_refused_and_left_alone(tmp_path: Path, path: Path) -> None:
    make_notes(path, tmp_path, 3)
    with pytest.raises(StoreUnusable, match=r"has version 3, this program knows versions up to 2\..*newer program"):
        Database(path, migrations=folder_of(tmp_path, 2))
    assert (version_of(path), notes_in(path)) == (3, ["note 0"])


def test_a_program_that_runs_while_a_newer_one_migrates_says_so_and_writes_nothing(
    tmp_path: Path, path: Path
) -> None:
    with closing(Database(path, migrations=folder_of(tmp_path, 1))) as old:
        with old.write() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('kept')")
        Database(path, migrations=folder_of(tmp_path, 2)).close()
        for attempt in (old.write, old.read):
            with pytest.raises(StoreUnusable, match=r"taken to version 2 .*Start this program again"), attempt():
                pytest.fail("was let in")
    assert notes_in(path) == ["kept"]


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be looked at" * 40, None], ids=["text", "torn"]
)
def test_a_damaged_file_is_named_with_its_backup_and_left_as_it_is(
    tmp_path: Path, path: Path, content: bytes | None
) -> None:
    make_notes(path, tmp_path, notes=5000)
    Database(path, migrations=folder_of(tmp_path, 2)).close()
    if content is None:
        whole = path.read_bytes()
        content = whole[:100] + b"\xff" * 5000 + whole[5100:]
    path.write_bytes(content)
    with pytest.raises(StoreUnusable, match=r"workflow.db: the database is damaged .*put workflow.db.backup-1 in"):
        Database(path, migrations=folder_of(tmp_path, 2))
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StoreUnusable, match="another program's database"):
        Database(path)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnusable, match=r"file/data: nothing can be written there"):
        Database(tmp_path / "file" / "data" / "workflow.db")


def test_an_error_in_a_transaction_undoes_it(tmp_path: Path, path: Path) -> None:
    with closing(Database(path, migrations=folder_of(tmp_path, 1))) as database:
        with pytest.raises(ZeroDivisionError), database.write() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('gone')")
            _ = 1 / 0
        with database.write() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('kept')")
    assert notes_in(path) == ["kept"]


def test_a_reader_cannot_write_and_sees_one_state_of_the_database(tmp_path: Path, path: Path) -> None:
    make_notes(path, tmp_path)
    with closing(Database(path, migrations=folder_of(tmp_path, 1))) as database:
        count = "SELECT count(*) FROM notes"
        with database.read() as reader:
            before = reader.execute(count).fetchone()[0]
            with database.write() as writer:
                writer.execute("INSERT INTO notes (text) VALUES ('later')")
            assert reader.execute(count).fetchone()[0] == before == 1
        with database.read() as reader:
            assert reader.execute(count).fetchone()[0] == 2
        with pytest.raises(StoreUnusable, match="cannot be opened for writing"), database.read() as reader:
            reader.execute("DELETE FROM notes")


def test_a_writer_that_waits_too_long_says_so_and_may_try_again(tmp_path: Path, path: Path) -> None:
    folder = folder_of(tmp_path, 1)
    with (
        closing(Database(path, migrations=folder)) as first,
        closing(Database(path, migrations=folder, patience=0.05)) as second,
    ):
        with (
            first.write(),
            pytest.raises(StoreError, match=r"others have been writing for 0.05 s") as raised,
            second.write(),
        ):
            pytest.fail("was let in")
        assert raised.value.retry
        with second.write() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('now')")
    assert notes_in(path) == ["now"]


def test_a_full_disk_undoes_the_change_and_the_database_stays_usable(tmp_path: Path, path: Path) -> None:
    """SQLite reports a limit on the file's pages exactly as it does a full disk."""
    make_notes(path, tmp_path)
    with closing(Database(path, migrations=folder_of(tmp_path, 1))) as database:
        with database.write() as connection:
            connection.execute("PRAGMA max_page_count = 8")
        with (
            pytest.raises(StoreError, match=r"no space is left on the disk; .*Free some space"),
            database.write() as c,
        ):
            c.executemany("INSERT INTO notes (text) VALUES (?)", [("x" * 3000,)] * 100)
        with database.write() as connection:
            connection.execute("INSERT INTO notes (text) VALUES ('small')")
    assert notes_in(path) == ["note 0", "small"]


def test_a_copy_made_at_any_moment_is_sound_and_has_all_that_was_committed(tmp_path: Path, path: Path) -> None:
    folder = folder_of(tmp_path, 1)
    copies: list[tuple[Path, int]] = []
    committed, over = 0, threading.Event()

    def copy_now_and_then(database: Database) -> None:
        chance = random.Random(12)
        while not over.is_set():
            time.sleep(chance.uniform(0, 0.1))
            copies.append((tmp_path / f"copy-{len(copies)}.db", committed))
            database.copy_to(copies[-1][0])

    with (
        closing(Database(path, migrations=folder)) as database,
        closing(Database(path, migrations=folder)) as other,
    ):
        copying = threading.Thread(target=copy_now_and_then, args=(other,))
        copying.start()
        for number in range(1000):
            with database.write() as connection:
                connection.execute("INSERT INTO notes (text) VALUES (?)", (f"{number} " + "x" * 2000,))
            committed = number + 1
        over.set()
        copying.join()
    assert copies
    for copied, before in copies:
        numbers = [int(text.split()[0]) for text in notes_in(copied)]
        assert numbers == list(range(len(numbers)))
        assert before <= len(numbers) <= 1000
    assert not list(tmp_path.glob(".tmp-*"))


def test_what_a_killed_process_had_committed_is_there(tmp_path: Path, path: Path) -> None:
    code = (
        "import sys, pathlib; from services.database import Database\n"
        "database = Database(pathlib.Path(sys.argv[1]), migrations=pathlib.Path(sys.argv[2]))\n"
        "for number in range(10**6):\n"
        "    with database.write() as c:\n"
        "        c.execute('INSERT INTO notes (text) VALUES (?)', (f'{number} ' + 'x' * 2000,))\n"
        "    print(number, flush=True)"
    )
    command = [sys.executable, "-c", code, str(path), str(folder_of(tmp_path, 1))]
    chance, known = random.Random(3), 0
    for _ in range(5):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            told = [process.stdout.readline() for _ in range(chance.randint(1, 40))]
            process.kill()
            told += process.stdout.readlines()
        found = len(notes_in(path))
        assert known + len(told) <= found <= known + len(told) + 1
        known = found


def test_threads_share_a_database_and_closing_it_gives_everything_back(tmp_path: Path, path: Path) -> None:
    folder = folder_of(tmp_path, 1)
    descriptors = Path("/proc/self/fd") if Path("/proc/self/fd").is_dir() else Path("/dev/fd")

    def work(database: Database) -> None:
        for _ in range(10):
            with database.write() as connection:
                connection.execute("INSERT INTO notes (text) VALUES ('one')")
            with database.read() as connection:
                connection.execute("SELECT count(*) FROM notes").fetchone()

    gc.collect()  # what earlier tests left
    before = len(list(descriptors.iterdir()))
    with closing(Database(path, migrations=folder)) as database:
        threads = [threading.Thread(target=work, args=(database,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(list(descriptors.iterdir())) == before
    assert len(notes_in(path)) == 80
    with pytest.raises(StoreError, match="has been closed"), database.write():
        pytest.fail("was let in")
