/**
 * A row for anybody, and one per identity: where it is seen, fuller where it speaks.
 *
 * Identities end at cuts, so an hour has thousands. There are rows for those that are seen most in what is shown just
 * now; they are chosen anew when the view rests.
 */
import { filled, words } from "../words.js";
import { colours, ofIdentity } from "./colours.js";
import { touching, unknown } from "./paint.js";

export const ROW = 20;
const FEW = 5;
const MANY = 60;
const REST_MS = 250;
/** The key of the row for anybody; no identity has this name. */
const ANYBODY = "";

export class FacesLane {
  /**
   * @param {import("./tiles.js").Tiles} tiles spans by identity, as `byIdentity` gives them
   * @param {() => void} changed called when there are other rows
   */
  constructor(tiles, changed) {
    this.tiles = tiles;
    this.changed = changed;
    this.all = false;
    this.rows = [ANYBODY];
  }

  get names() {
    return this.rows.map((id) => id || words.anybody);
  }

  get height() {
    return this.rows.length * ROW;
  }

  colour(index) {
    return this.rows[index] ? ofIdentity(this.rows[index]) : colours.idle;
  }

  draw(context, axis) {
    const parts = this.tiles.cover(axis.start, axis.end, axis.scale);
    for (const part of parts) {
      const [from, to] = [axis.x(part.start), axis.x(part.end)];
      if (!part.data) {
        unknown(context, from, to - from, 0, this.height);
        continue;
      }
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, this.height);
      context.clip();
      this.rows.forEach((id, row) => this.spans(context, axis, part.data.get(id) ?? [], row));
      context.restore();
    }
    context.fillStyle = colours.line;
    this.rows.forEach((_, row) => context.fillRect(0, (row + 1) * ROW - 1, axis.width, 1));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.choose(parts, axis), REST_MS);
  }

  spans(context, axis, spans, row) {
    context.fillStyle = this.colour(row);
    for (const span of touching(spans, axis.start, axis.end)) {
      const [from, to] = [axis.x(span.start), axis.x(span.end)];
      const high = 4 + (ROW - 9) * span.speaking;
      context.globalAlpha = 0.45 + 0.55 * span.speaking;
      context.fillRect(from, (row + 1) * ROW - 3 - high, Math.max(to - from, 1), high);
    }
    context.globalAlpha = 1;
  }

  /** Give rows to those that are seen most in what is shown, in the order in which they appear. */
  choose(parts, axis) {
    const seen = new Map();
    for (const { data } of parts) {
      for (const [id, spans] of data ?? []) if (id !== ANYBODY) count(seen, id, spans, axis);
    }
    const most = [...seen.entries()].filter(([, one]) => one.frames > 0);
    most.sort(([, one], [, other]) => other.frames - one.frames).splice(this.all ? MANY : FEW);
    most.sort(([, one], [, other]) => one.first - other.first);
    const rows = [ANYBODY, ...most.map(([id]) => id)];
    if (rows.join("\n") === this.rows.join("\n")) return;
    this.rows = rows;
    this.changed();
  }

  at(frame, axis, y) {
    const id = this.rows[Math.floor(y / ROW)] ?? ANYBODY;
    const span = touching(this.tiles.peek(frame, axis.scale)?.get(id) ?? [], frame, frame + 1e-6)[0];
    if (!span) return null;
    const share = `${Math.round(span.speaking * 100)} %`;
    const values = { face: id || words.anybody, first: span.start + 1, last: span.end, share };
    return { text: filled(words.face_told, values), frame: span.start };
  }
}

function count(seen, id, spans, axis) {
  for (const span of touching(spans, axis.start, axis.end)) {
    const known = seen.get(id) ?? { frames: 0, first: span.start };
    known.frames += Math.min(span.end, axis.end) - Math.max(span.start, axis.start);
    seen.set(id, known);
  }
}

/** The spans of a range, by identity, as the lane draws them. */
export function byIdentity({ identities, anybody }) {
  const spans = (all) => all.map(([start, end, speaking]) => ({ start, end, speaking }));
  return new Map([[ANYBODY, spans(anybody)], ...identities.map((one) => [one.id, spans(one.spans)])]);
}
