"""What the runs of a period tell together: how many, how long, what failed; and those that somebody looks for."""

from services.statistics.finding import Found, FoundRun, RunSearch, StepOfRun, find_runs, projects_of_runs
from services.statistics.overview import Day, Overview, Point, StepQuality, oldest_run, overview, points
from services.statistics.pace import Pace
from services.statistics.period import Period, period_of
from services.statistics.reasons import Reason

__all__ = [
    "Day",
    "Found",
    "FoundRun",
    "Overview",
    "Pace",
    "Period",
    "Point",
    "Reason",
    "RunSearch",
    "StepOfRun",
    "StepQuality",
    "find_runs",
    "oldest_run",
    "overview",
    "period_of",
    "points",
    "projects_of_runs",
]
