"""Whether the service is up, for whoever watches it; cheap, and open without a token."""

from __future__ import annotations

from apiflask import APIBlueprint

from routes.context import context
from routes.models.system import HealthOut
from services.worker_lock import holder

blueprint = APIBlueprint("health", __name__)


@blueprint.get("/health")
@blueprint.output(HealthOut)
def health() -> HealthOut:
    """Whether the database answers and a worker is there."""
    last = context().runs.events.last_id()
    found = holder()
    worker = found is not None and found.is_worker
    return HealthOut(status="ok" if worker else "no worker", worker=worker, last_event=last)
