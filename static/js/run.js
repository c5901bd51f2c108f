/** The run page: table, step run and events follow the run; a cell shows its step run beside its log. */
import { LogView } from "./log.js";
import { copied } from "./log_copy.js";
import { keepDetails, throttled } from "./parts.js";
import { grid } from "./project_matrix.js";

const table = document.getElementById("table");
const chosen = document.getElementById("chosen");
const run = document.getElementById("head").dataset.run;
const cells = grid(table);
keepDetails();

function showLog() {
  const log = document.getElementById("log");
  if (log && !log.dataset.begun) {
    log.dataset.begun = "yes";
    new LogView(log);
  }
}
showLog();

/** Show another step run; the address says which. */
async function choose(number) {
  await htmx.ajax("GET", `/parts/run/${run}/steps/${number}`, { target: "#step", swap: "innerHTML" });
  chosen.value = number;
  history.replaceState(null, "", `/runs/${run}?step=${number}`);
  for (const cell of table.querySelectorAll(".cell")) {
    if (cell.id === `step-${number}`) cell.setAttribute("aria-current", "true");
    else cell.removeAttribute("aria-current");
  }
  showLog();
}

document.addEventListener("click", (event) => {
  const cell = event.target.closest("#table .cell");
  const copies = event.target.closest("[data-copies]");
  if (cell && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    choose(cell.id.slice(5));
  } else if (copies) copied(copies, document.getElementById(copies.dataset.copies).textContent);
});

const refresh = (id) => throttled(() => {
  const place = document.getElementById(id);
  if (place) htmx.trigger(place, "refresh");
}, () => 1000);
const refreshes = { head: refresh("head"), table: refresh("table"), facts: refresh("step-facts"), events: refresh("events") };
const ENDED = ["succeeded", "degraded", "failed", "cancelled", "interrupted", "skipped"];

document.addEventListener("workflow:event", ({ detail: { kind, data, step_run: step } }) => {
  if (kind === "progress") return;
  refreshes.events();
  if (kind === "step" || kind === "video") refreshes.table();
  if (kind === "step" || kind === "run") refreshes.head();
  if (String(step) !== chosen.value) return;
  refreshes.facts();
  if (kind === "step") log(data);
});

/** Tell the log whether its step run goes on; a new attempt has a log of its own. */
function log(data) {
  const place = document.getElementById("log");
  if (!place) return;
  const again = data.attempt > Number(place.dataset.attempt);
  place.dataset.active = ENDED.includes(data.state) ? "no" : "yes";
  if (data.state === "running") place.dataset.there = "yes";
  if (again && data.state === "running") choose(chosen.value);
}

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target === table) cells.enter();
});
