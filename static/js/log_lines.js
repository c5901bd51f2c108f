/** The lines of a log as elements. */
import { level } from "./log_window.js";
import { filled, words } from "./words.js";

/**
 * The lines of one piece.
 *
 * @param {import("./log_window.js").LogWindow} shown
 * @param {number} index
 * @returns {HTMLElement}
 */
export function block(shown, index) {
  const element = document.createElement("div");
  element.className = "block";
  const { leftOut } = shown.pieces[index];
  const count = leftOut.toLocaleString(document.documentElement.lang);
  if (leftOut) element.append(line(filled(words.left_out, { count }), "gap"));
  const lines = shown.lines(index);
  if (index === shown.pieces.length - 1 && lines.at(-1) === "") lines.pop();
  let now = "";
  for (const text of lines) {
    now = level(text, now);
    element.append(line(text, now));
  }
  return element;
}

/**
 * The button that reads on.
 *
 * @param {"earlier" | "later"} which
 */
export function more(which) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small more";
  button.dataset[which] = "";
  button.textContent = words[which];
  return button;
}

function line(text, kind) {
  const element = document.createElement("span");
  element.className = `line ${kind}`;
  element.textContent = text;
  return element;
}
