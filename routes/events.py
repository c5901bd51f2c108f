"""What happens, as it happens: one stream, and the same by asking."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator

from apiflask import APIBlueprint
from flask import Response, request

from routes.context import context
from routes.documentation import documented
from routes.errors import Refusal
from routes.models.common import LARGEST
from routes.models.events import EventList, EventOut, EventsAsked, PollAsked
from routes.security import client
from services.web.event_feed import EventFeed, Message, Wanted, event_values

blueprint = APIBlueprint("events", __name__, url_prefix="/api/events")

#: Seconds without an event after which a stream says that it is still there.
HEARTBEAT = 10.0
#: Seconds after which a stream looks whether its client is still there.
_LOOK = 1.0
#: Seconds that who wants a stream waits for a place.
_PATIENCE = 0.5
#: Milliseconds after which a browser comes back when the stream broke.
_COME_BACK = 2000


@blueprint.get("")
@blueprint.input(EventsAsked, location="query")
@blueprint.doc(responses=documented("Server-sent events", "text/event-stream"))
def stream_events(query_data: EventsAsked) -> Response:
    """All events from now on, as server-sent events; after `Last-Event-ID` or `after`, those since then too.

    Each has its id, and as data the same JSON as `/api/events/poll` gives.
    """
    here = context()
    begin = _last_read(query_data.after)
    give_back = _place()
    try:
        start = here.runs.events.last_id() if begin is None else begin
        body = _Stream(here.feed, _wanted(query_data), start, _is_gone(), give_back)
    except BaseException:
        give_back()
        raise
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(body, mimetype="text/event-stream", headers=headers)


@blueprint.get("/poll")
@blueprint.input(PollAsked, location="query")
@blueprint.output(EventList)
def poll_events(query_data: PollAsked) -> EventList:
    """The next events after an id, oldest first; without `after`, none, but the id to begin from."""
    events, wanted = context().runs.events, _wanted(query_data)
    if query_data.after is None:
        return EventList(events=[], last=events.last_id())
    found = events.after(query_data.after, query_data.limit, run_id=wanted.run_id, step_run_id=wanted.step_run_id)
    shown = [EventOut(**event_values(event)) for event in found if not wanted.kinds or event.kind in wanted.kinds]
    return EventList(events=shown, last=found[-1].id if found else query_data.after)


def _place() -> Callable[[], None]:
    """A place for one more stream; gives what returns it.

    A page that is loaded anew comes before anybody has noticed that its former stream is gone, and a browser does
    not try again when it is refused: so all streams look after their clients now, and have a moment to.

    Raises:
        Refusal: all places are taken.
    """
    here, deadline = context(), time.monotonic() + _PATIENCE
    while (give_back := here.streams.take(client())) is None:
        if time.monotonic() > deadline:
            raise Refusal(
                429,
                "too_many_streams",
                "Too many event streams are open.",
                hint="Close one, or ask /api/events/poll.",
                retry=True,
                headers={"Retry-After": "5"},
            )
        here.feed.wake()
        time.sleep(0.02)
    return give_back


class _Stream:
    """The lines of one stream; returns its place when it ends, was never begun, or its client went away."""

    def __init__(
        self,
        feed: EventFeed,
        wanted: Wanted,
        start: int,
        is_gone: Callable[[], bool],
        give_back: Callable[[], None],
    ) -> None:
        self._lines = _lines(feed, wanted, start, is_gone)
        self._give_back = give_back

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def close(self) -> None:
        """End it; the server calls this in any case."""
        self._lines.close()
        self._give_back()


def _lines(feed: EventFeed, wanted: Wanted, last: int, is_gone: Callable[[], bool]) -> Generator[bytes, None, None]:
    yield f"retry: {_COME_BACK}\nid: {last}\n\n".encode()
    spoken = time.monotonic()
    with feed.listening():
        while not feed.closed and not is_gone():
            found, last = feed.after(last, wanted, _LOOK)
            if found:
                yield "".join(map(_framed, found)).encode()
                spoken = time.monotonic()
            elif (
                time.monotonic() - spoken >= HEARTBEAT
            ):  # with the id, so that a stream of few events does not begin far back again
                yield f": still here\nid: {last}\n\n".encode()
                spoken = time.monotonic()


def _framed(message: Message) -> str:
    return f"id: {message.id}\ndata: {message.text}\n\n"


def _is_gone() -> Callable[[], bool]:
    """What tells whether the client has gone; servers that cannot tell notice when they send."""
    found: Callable[[], bool] | None = request.environ.get("waitress.client_disconnected")
    return found or (lambda: False)


def _wanted(asked: EventsAsked) -> Wanted:
    kinds = frozenset(word for word in (asked.kind or "").split(",") if word)
    return Wanted(asked.run, asked.step_run, kinds)


def _last_read(after: int | None) -> int | None:
    """Where to go on: what the browser remembers counts more than the address.

    Raises:
        Refusal: it is no number.
    """
    header = request.headers.get("Last-Event-ID")
    if not header:
        return after
    if not (header.isascii() and header.isdigit()) or len(header) > 19 or int(header) > LARGEST:
        raise Refusal(422, "invalid", "Last-Event-ID must be the id of an event.")
    return int(header)
