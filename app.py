"""The web process: `env/bin/python app.py` serves dashboard and API, and starts the worker where none is there.

It only reads and writes the database; the worker does the work. Either may be ended and started again without the
other noticing.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from typing import Any

import waitress
from apiflask import APIFlask
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import IntegerConverter, Map

from routes import (
    docs,
    documentation,
    errors,
    events,
    health,
    logs,
    pages,
    projects,
    runs,
    security,
    session,
    steps,
    system,
    transcriptions,
    uploads,
    viewing,
    viewing_media,
)
from routes.context import EXTENSION, Context
from routes.models.common import LARGEST
from routes.pages import frame
from services import worker
from services.database import Database
from services.pipeline import load_pipeline
from services.runs import Runs
from services.uploads import CHUNK
from services.web.event_feed import EventFeed
from services.web.security import TokenGate
from services.web.settings import WebSettings, load_web_settings
from services.web.stream_slots import StreamSlots
from services.worker_lock import Holder
from workflow_scripts.common.errors import WorkflowError
from workflow_scripts.common.events import printable
from workflow_scripts.common.paths import ROOT, logs_folder
from workflow_scripts.common.settings import load_dotenv

#: Seconds between two looks for a worker that was killed.
LOOK_S = 5.0
#: Requests that are answered at once; each event stream takes one for as long as it is open.
THREADS = 64
#: Connections that are kept open; a page holds up to six.
CONNECTIONS = 1000
#: Threads that streams leave to other requests.
_FREE_THREADS = 4
_AREAS = (
    projects,
    steps,
    runs,
    events,
    logs,
    system,
    health,
    session,
    uploads,
    transcriptions,
    viewing,
    viewing_media,
    docs,
    *pages.AREAS,
)


class _Number(IntegerConverter):
    """The number of a run: one that the database can hold."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=LARGEST)


class _Json(DefaultJSONProvider):
    """JSON whose errors are all ValueErrors."""

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value of a text; lists nested too deeply to be read are refused like other nonsense."""
        try:
            return super().loads(s, **kwargs)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def create_app(settings: WebSettings | None = None) -> APIFlask:
    """The application, with its own connections to the database of the data folder; end it with `close_app`.

    Raises:
        UsageError: a setting is not allowed, or the API would stand open to the network.
        StoreUnusable: the database cannot be opened.
    """
    settings = settings or load_web_settings()
    app = APIFlask(
        __name__, title="Video workflow", version="1", docs_path=None, static_folder=str(ROOT / "static")
    )
    app.json = _Json(app)
    app.url_map.converters["int"] = _Number
    app.config["MAX_CONTENT_LENGTH"] = settings.body
    database = Database()
    runs_of_all = Runs(database)
    app.extensions[EXTENSION] = Context(
        settings=settings,
        database=database,
        runs=runs_of_all,
        pipeline=load_pipeline(),
        feed=EventFeed(runs_of_all.events),
        streams=StreamSlots(THREADS - _FREE_THREADS, settings.streams),
        gate=TokenGate(settings.token),
    )
    security.register(app)
    errors.register(app)
    documentation.register(app)
    frame.register(app)
    for area in _AREAS:
        app.register_blueprint(area.blueprint)
    app.register_blueprint(transcriptions.sounds)
    return app


def close_app(app: APIFlask) -> None:
    """End an application's event streams, what it prepares in the background, and its connections."""
    transcriptions.close(app)
    viewing.close(app)
    viewing_media.close(app)
    app.extensions[EXTENSION].close()


def make_server(app: APIFlask, settings: WebSettings) -> Any:
    """What listens on the address; `run()` answers until `close()`.

    Raises:
        OSError: the address cannot be used.
    """
    return waitress.create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=THREADS,
        connection_limit=CONNECTIONS,
        ident=None,
        channel_request_lookahead=1,  # so that a stream sees that its client has gone
        max_request_body_size=max(4 * settings.body, 2 * CHUNK),  # what is too large by less gets a sentence
        clear_untrusted_proxy_headers=True,
    )


def open_log() -> None:
    """Write what the web process has to say to logs/app.log, and to the terminal."""
    folder = logs_folder()
    folder.mkdir(parents=True, exist_ok=True)
    form = logging.Formatter("%(asctime)s [%(levelname)s] %(message)s")
    file = RotatingFileHandler(folder / "app.log", maxBytes=5_000_000, backupCount=3, encoding="utf-8", delay=True)
    for handler in (file, logging.StreamHandler()):
        handler.setFormatter(form)
        for name in ("workflow.web", "waitress"):
            logging.getLogger(name).addHandler(handler)
    logging.getLogger("workflow.web").setLevel(logging.INFO)


def _see_to_worker(begin: Callable[[], Holder | None]) -> None:
    """See that a worker is there; without one the API still answers, and says so."""
    log = logging.getLogger("workflow.web")
    try:
        found = begin()
    except WorkflowError as error:
        log.error("%s", printable(str(error)))
    else:
        if found is not None:
            log.info("The work is done by: %s", found)


def _replace_lost_workers() -> None:
    """Start another worker whenever one was killed, for as long as this process lives."""
    while True:
        time.sleep(LOOK_S)
        _see_to_worker(worker.restart_lost)


def main() -> int:
    """Start the worker and serve; gives the exit status."""
    try:
        load_dotenv()
        settings = load_web_settings()
        open_log()
        app = create_app(settings)
        system.watch_of(app).start()
        _see_to_worker(worker.start_detached)
        threading.Thread(target=_replace_lost_workers, daemon=True).start()
        logging.getLogger("workflow.web").info("Serving on http://%s:%s", settings.host, settings.port)
        make_server(app, settings).run()
    except WorkflowError as error:
        print(f"app.py: {printable(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"app.py: the address cannot be used ({error.strerror}).", file=sys.stderr)
        return 1
    close_app(app)
    return 0


if __name__ == "__main__":
    sys.exit(main())
