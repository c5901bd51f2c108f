/**
 * Part of a log in memory, however long the log is: pieces that lie one after the other, each as it was read.
 *
 * A piece begins and ends anywhere; the end of its last line is the beginning of the next piece. Offsets count bytes
 * of the log as the server does.
 */

/** Bytes asked for at once, and pieces that are kept. */
export const PIECE = 131072;
export const KEPT = 8;

/**
 * @typedef {{offset: number, next: number, leftOut: number, parts: string[]}} Piece
 */

export class LogWindow {
  constructor() {
    /** @type {Piece[]} */
    this.pieces = [];
  }

  get first() {
    return this.pieces[0]?.offset ?? 0;
  }

  get next() {
    return this.pieces.at(-1)?.next ?? 0;
  }

  /** Whether lines before those that are here may be had. */
  get hasEarlier() {
    return this.pieces.length > 0 && this.first > 0;
  }

  clear() {
    this.pieces = [];
  }

  /**
   * Add what follows; small pieces are put together.
   *
   * @param {{text: string, offset: number, next: number, left_out: number}} answer
   * @returns {boolean} whether that dropped the beginning
   */
  append(answer) {
    const last = this.pieces.at(-1);
    const parts = answer.text.split("\n");
    if (last && !answer.left_out && (last.next - last.offset < PIECE || parts.length === 1)) {
      last.parts[last.parts.length - 1] += parts[0];
      for (const part of parts.slice(1)) last.parts.push(part);
      last.next = answer.next;
      return false;
    }
    this.pieces.push({ offset: answer.offset, next: answer.next, leftOut: answer.left_out, parts });
    if (this.pieces.length <= KEPT) return false;
    this.pieces.shift();
    return true;
  }

  /**
   * Add what lies before.
   *
   * @param {{text: string, offset: number, next: number, left_out: number}} answer
   * @returns {boolean} whether that dropped the end
   */
  prepend(answer) {
    this.pieces.unshift({ offset: answer.offset, next: answer.next, leftOut: answer.left_out, parts: answer.text.split("\n") });
    if (this.pieces.length <= KEPT) return false;
    this.pieces.pop();
    return true;
  }

  /** Put a character together that the beginning of the window cuts, given a text that begins with it. */
  mend(text) {
    const { parts } = this.pieces[0];
    parts[0] = ([...text][0] ?? "") + parts[0].replace(/^\uFFFD+/, "");
  }

  /**
   * The lines that begin in a piece, the last of them whole where the next piece is here; the first piece has the
   * rest of a line that began before it too.
   *
   * @param {number} index
   * @returns {string[]}
   */
  lines(index) {
    const { parts } = this.pieces[index];
    const lines = index === 0 || this.pieces[index].leftOut ? parts.slice() : parts.slice(1);
    const after = this.pieces[index + 1];
    if (after && !after.leftOut && lines.length) lines[lines.length - 1] += after.parts[0];
    return lines;
  }
}

const LEVEL = /\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b\]?/;
const TRACE = /^(?:\s|Traceback |\w+(?:\.\w+)*(?:Error|Exception)\b)/;

/**
 * The level of a line: its own, or for a traceback that of the line before.
 *
 * @param {string} line
 * @param {string} before the level of the line before
 */
export function level(line, before) {
  if (line.startsWith("Traceback ")) return "error";
  const found = line.slice(0, 60).match(LEVEL)?.[1];
  if (found) return { CRITICAL: "error", ERROR: "error", WARNING: "warning", DEBUG: "debug" }[found] ?? "";
  return before && TRACE.test(line) ? before : "";
}
