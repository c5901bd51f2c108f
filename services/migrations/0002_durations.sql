-- How long a step worked on a video, and how long the video is: what History compares. NULL where nobody measured it.

ALTER TABLE video_states ADD COLUMN seconds REAL;
ALTER TABLE video_states ADD COLUMN length REAL;
CREATE INDEX runs_by_created ON runs (created);
CREATE INDEX step_runs_by_finished ON step_runs (finished);
