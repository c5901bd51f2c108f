/** What lanes are drawn with. */
import { colours } from "./colours.js";

/** Write text that is cut where the room ends; nothing where there is hardly any. */
export function write(context, text, x, y, room, colour = colours.ink, weight = 400, size = 12) {
  if (room < 14) return;
  context.font = `${weight} ${size}px ${colours.font}`;
  context.fillStyle = colour;
  context.textBaseline = "middle";
  let said = text;
  if (context.measureText(said).width > room) {
    let fits = Math.floor((said.length * room) / context.measureText(said).width);
    while (fits > 0 && context.measureText(`${text.slice(0, fits)}…`).width > room) fits -= 1;
    said = fits > 0 ? `${text.slice(0, fits)}…` : "";
  }
  context.fillText(said, x, y);
}

/** Stripes that say: not known yet. */
export function unknown(context, x, wide, y, high) {
  context.save();
  context.beginPath();
  context.rect(x, y, wide, high);
  context.clip();
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  context.beginPath();
  for (let at = Math.floor((x - high) / 10) * 10; at < x + wide; at += 10) {
    context.moveTo(at, y + high);
    context.lineTo(at + high, y);
  }
  context.stroke();
  context.restore();
}

/** The part of sorted ranges that touches a range of frames. @returns {object[]} */
export function touching(ranges, start, end) {
  return ranges.slice(firstAfter(ranges, start), firstFrom(ranges, end));
}

/** The last of sorted ranges that begin at or before a frame; -1 when there is none. */
export function lastBegun(ranges, frame) {
  return firstFrom(ranges, frame + 1e-9) - 1;
}

function firstFrom(ranges, frame) {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle].start < frame) low = middle + 1;
    else high = middle;
  }
  return low;
}

function firstAfter(ranges, frame) {
  let low = Math.max(firstFrom(ranges, frame) - 1, 0);
  while (low > 0 && ranges[low - 1].end > frame) low -= 1;
  while (low < ranges.length && ranges[low].end <= frame) low += 1;
  return low;
}

/** Soft bands where two results differ. */
export function differences(context, axis, height, found) {
  for (const one of touching(found, axis.start, axis.end)) {
    const [from, to] = [axis.x(one.start), axis.x(one.end)];
    context.fillStyle = colours.bad;
    context.globalAlpha = 0.22;
    context.fillRect(from, 0, Math.max(to - from, 2), height);
    context.globalAlpha = 1;
    context.fillRect(from, 0, Math.max(to - from, 2), 3);
  }
}
