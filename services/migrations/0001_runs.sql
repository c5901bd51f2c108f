-- Runs, their step runs, the videos of a step run, and everything that happened.
-- Times are UTC in ISO 8601 with milliseconds, for people; `clock` and `beat_clock` are seconds of the machine's
-- monotonic clock, which nobody can move. Lists and mappings are JSON.

CREATE TABLE runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created TEXT NOT NULL,
    origin TEXT NOT NULL,
    sequence TEXT NOT NULL,
    projects TEXT NOT NULL,
    options TEXT NOT NULL,
    priority INTEGER NOT NULL,
    retry_of INTEGER REFERENCES runs (id) ON DELETE SET NULL,
    state TEXT NOT NULL,
    started TEXT,
    finished TEXT,
    seconds REAL NOT NULL DEFAULT 0,
    clock REAL, -- when it became running; NULL while it is not
    boot_id TEXT -- the boot in which `clock` means something
);
CREATE INDEX runs_by_state ON runs (state, id);
CREATE INDEX runs_by_retry ON runs (retry_of) WHERE retry_of IS NOT NULL;

CREATE TABLE step_runs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    project, -- text; bytes where the folder's name is no UTF-8; NULL is all there is
    position INTEGER NOT NULL,
    state TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    queued TEXT NOT NULL,
    not_before TEXT,
    reason TEXT NOT NULL DEFAULT '',
    owner TEXT,
    pid INTEGER,
    create_time REAL,
    boot_id TEXT,
    slot TEXT,
    device TEXT,
    started TEXT,
    heartbeat TEXT,
    beat_clock REAL,
    progress TEXT,
    finished TEXT,
    seconds REAL,
    exit_code INTEGER,
    log_path TEXT,
    events_path TEXT,
    events_offset INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    pause_requested INTEGER NOT NULL DEFAULT 0,
    paused INTEGER NOT NULL DEFAULT 0,
    stalled INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX step_runs_of_run ON step_runs (run_id, step, ifnull(project, ''));
CREATE INDEX step_runs_by_state ON step_runs (state);
CREATE INDEX step_runs_by_project ON step_runs (project, run_id);
-- No two unfinished step runs do the same work, whatever the code does.
CREATE UNIQUE INDEX step_runs_at_work ON step_runs (step, ifnull(project, ''))
    WHERE state IN ('queued', 'running');

CREATE TABLE video_states (
    step_run_id INTEGER NOT NULL REFERENCES step_runs (id) ON DELETE CASCADE,
    video NOT NULL, -- text; bytes where the name is no UTF-8
    state TEXT NOT NULL,
    message TEXT NOT NULL,
    updated TEXT NOT NULL,
    PRIMARY KEY (step_run_id, video)
) WITHOUT ROWID;

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused: a page follows by it
    time TEXT NOT NULL,
    run_id INTEGER REFERENCES runs (id) ON DELETE CASCADE,
    step_run_id INTEGER, -- no reference: it goes with its run
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_by_run ON events (run_id);
