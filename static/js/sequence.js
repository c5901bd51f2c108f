/** Ticked steps as a sequence: numbers appear in the order of ticking, the text field says the same and can be typed. */
import { filled, words } from "./words.js";

const field = document.getElementById("sequence");
const ticks = [...document.querySelectorAll(".tick")];
/** The numbers of the ticked steps, in the order in which they are to run. */
let order = [];
let last = null;

/** The numbers that a text names, like the command line reads it; null where it makes no sense. */
function parsed(text) {
  const numbers = ticks.map((tick) => tick.dataset.number.toUpperCase());
  const found = [];
  for (const part of text.split(",").map((one) => one.trim().toUpperCase().replace(/^STEP/, ""))) {
    if (!part) continue;
    const [from, to] = part.includes("-") ? part.split("-").map((one) => one.trim().replace(/^STEP/, "")) : [part, part];
    const first = from ? numbers.indexOf(from) : 0;
    const end = to ? numbers.indexOf(to) : numbers.length - 1;
    if (first < 0 || end < first) return null;
    for (let at = first; at <= end; at += 1) if (!found.includes(numbers[at])) found.push(numbers[at]);
  }
  return found;
}

function show() {
  for (const tick of ticks) {
    const at = order.indexOf(tick.dataset.number.toUpperCase());
    tick.checked = at >= 0;
    const place = tick.closest(".step").querySelector(".place");
    place.hidden = at < 0 || order.length < 2;
    place.textContent = at + 1;
    place.title = filled(words.place, { n: at + 1 });
  }
  field.dispatchEvent(new CustomEvent("sequence", { bubbles: true }));
}

function write() {
  field.value = order.join(",");
  field.setCustomValidity("");
  show();
}

/** Tick or untick a step; with `through`, all from the one ticked last to this one. */
function toggle(tick, through) {
  const number = tick.dataset.number.toUpperCase();
  const [from, to] = [ticks.indexOf(last), ticks.indexOf(tick)];
  if (through && last && from !== to) {
    const between = ticks.slice(Math.min(from, to), Math.max(from, to) + 1).map((one) => one.dataset.number.toUpperCase());
    if (from > to) between.reverse();
    order = [...order, ...between.filter((one) => !order.includes(one))];
  } else if (order.includes(number)) order = order.filter((one) => one !== number);
  else order = [...order, number];
  last = tick;
  write();
}

for (const tick of ticks) {
  tick.addEventListener("click", (event) => toggle(tick, event.shiftKey));
  for (const label of tick.labels) {
    label.addEventListener("mousedown", (event) => event.shiftKey && event.preventDefault()); // it would select text
    label.addEventListener("click", (event) => {
      if (!event.shiftKey) return;
      event.preventDefault();
      toggle(tick, true);
    });
  }
}
field.addEventListener("input", () => {
  const found = parsed(field.value);
  order = found ?? [];
  show();
});

/** Tick or untick the step of a number, if there is one. */
export function toggleNumber(number) {
  const tick = ticks.find((one) => one.dataset.number === number);
  if (tick) toggle(tick, false);
}

/** Untick all steps. */
export function clearSequence() {
  order = [];
  last = null;
  write();
}

/** What would be started, as it stands in the field. */
export const sequence = () => field.value.trim();

if (field.value) order = parsed(field.value) ?? [];
show();
