/**
 * One event stream for the whole page, in the shape of an EventSource for htmx.
 *
 * A visible page holds a stream; a hidden one asks every few seconds instead, for browsers allow few connections to
 * one server. Where a connection breaks, the next goes on after the last event that was read. What came in between
 * arrives late, never twice. Events carry their kind as name; `fresh` is sent whenever events may have been missed
 * on the screen, so that parts fetch themselves anew.
 */

const HIDDEN_MS = 5000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15000;

class LiveStream extends EventTarget {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSED = 2;

  constructor(address) {
    super();
    this.url = new URL(address, location.href);
    this.readyState = LiveStream.CONNECTING;
    this.onopen = null;
    this.onerror = null;
    this.last = Number(document.body.dataset.lastEvent); // read before the page was made, so nothing is missed
    this.wait = FIRST_WAIT_MS;
    this.again = () => this.begin();
    this.pause = () => this.stop();
    document.addEventListener("visibilitychange", this.again);
    addEventListener("online", this.again);
    addEventListener("pageshow", this.again);
    addEventListener("pagehide", this.pause);
    this.begin();
  }

  /** Hold a stream or ask now and then, as the page is seen or not. */
  begin() {
    this.stop();
    if (this.readyState === LiveStream.CLOSED) return;
    if (document.hidden) this.timer = setTimeout(() => this.poll(), HIDDEN_MS);
    else this.listen();
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  address(path) {
    const url = new URL(path, this.url);
    this.url.searchParams.forEach((value, name) => url.searchParams.set(name, value));
    url.searchParams.set("after", this.last);
    return url;
  }

  listen() {
    const source = new EventSource(this.address(this.url.pathname));
    this.source = source;
    source.onopen = () => this.opened();
    source.onmessage = (event) => this.take(JSON.parse(event.data));
    source.onerror = () => {
      if (source !== this.source) return;
      this.lost();
      this.stop();
      this.timer = setTimeout(() => this.begin(), this.wait);
    };
  }

  async poll() {
    try {
      const answer = await fetch(this.address("/api/events/poll"));
      if (!answer.ok) throw new Error(answer.status);
      const { events, last } = await answer.json();
      this.opened();
      events.forEach((event) => this.take(event));
      this.last = last;
    } catch {
      this.lost();
    }
    this.begin();
  }

  opened() {
    const regained = this.state === "lost";
    this.wait = FIRST_WAIT_MS;
    if (this.readyState !== LiveStream.OPEN) this.onopen?.(new Event("open"));
    this.readyState = LiveStream.OPEN;
    this.tell("live");
    if (regained) this.dispatchEvent(new MessageEvent("fresh", { data: "" }));
  }

  lost() {
    this.readyState = LiveStream.CONNECTING;
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
    this.tell("lost");
  }

  take(event) {
    if (event.id <= this.last) return;
    this.last = event.id;
    const message = new MessageEvent(event.kind, { data: JSON.stringify(event), lastEventId: String(event.id) });
    this.dispatchEvent(message);
    document.dispatchEvent(new CustomEvent("workflow:event", { detail: event }));
  }

  tell(state) {
    if (this.state === state) return;
    this.state = state;
    document.dispatchEvent(new CustomEvent("workflow:connection", { detail: state }));
  }

  close() {
    this.stop();
    this.readyState = LiveStream.CLOSED;
    document.removeEventListener("visibilitychange", this.again);
    removeEventListener("online", this.again);
    removeEventListener("pageshow", this.again);
    removeEventListener("pagehide", this.pause);
  }
}

htmx.createEventSource = (address) => new LiveStream(address);
