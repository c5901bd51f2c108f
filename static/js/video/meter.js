/**
 * How fast the page is, measured by itself: when it could be used, and how evenly the lanes move.
 *
 * With `?measure` in the address the figures are shown; they are always on `#measured` as data.
 */

const KEPT = 240;
/** Pictures of the lanes that come later than this after another belong to another movement. */
const PAUSE_MS = 120;

export class Meter {
  /** @param {HTMLElement} place  @param {import("./timeline.js").Timeline} timeline */
  constructor(place, timeline) {
    this.place = place;
    this.intervals = [];
    this.costs = [];
    place.hidden = !new URLSearchParams(location.search).has("measure");
    timeline.addEventListener("draw", ({ detail }) => this.drew(detail));
  }

  /** Note that something is there for the first time, in milliseconds since the page was asked for. */
  reached(name) {
    if (this.place.dataset[name]) return;
    performance.mark(`video-${name}`);
    this.place.dataset[name] = Math.round(performance.now());
    this.tell();
  }

  drew(cost) {
    const now = performance.now();
    keep(this.costs, cost);
    if (this.last && now - this.last < PAUSE_MS) keep(this.intervals, now - this.last);
    this.last = now;
    this.place.dataset.draws = Number(this.place.dataset.draws || 0) + 1;
    this.timer ??= setTimeout(() => this.tell(), 500);
  }

  tell() {
    this.timer = null;
    const data = this.place.dataset;
    data.draw = share(this.costs, 0.95);
    data.interval = share(this.intervals, 0.5);
    data.slowest = share(this.intervals, 0.95);
    const rate = data.interval > 0 ? Math.round(1000 / data.interval) : 0;
    this.place.textContent =
      `lanes ${data.lanes ?? "–"} ms · picture ${data.picture ?? "–"} ms · draw p95 ${data.draw} ms · ` +
      `${rate}/s, p95 ${data.slowest} ms`;
  }
}

function keep(values, value) {
  values.push(value);
  if (values.length > KEPT) values.shift();
}

function share(values, part) {
  const sorted = [...values].sort((one, other) => one - other);
  return (sorted[Math.floor(sorted.length * part)] ?? 0).toFixed(1);
}
