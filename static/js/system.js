/** The system page: charts that go on, and parts that are asked for anew only while somebody looks. */
import { drawChart } from "./system_chart.js";
import { series, spans } from "./system_series.js";

const ASK_MS = 4000;
const MINUTE_MS = 60000;

let span = "hour";
const history = { hour: null, day: null };
const charts = [...document.querySelectorAll("[data-chart]")].map((card) => ({ card, draw: drawChart(card) }));

/** Ask for what is new of the span that is shown. */
async function ask() {
  const wanted = span;
  const known = history[wanted];
  const since = known?.time.at(-1) ?? 0;
  const answer = await fetch(`/api/system/history?span=${wanted}&since=${since}`);
  if (!answer.ok) return;
  history[wanted] = series.joined(known, await answer.json(), spans[wanted]);
  if (wanted === span) show();
}

function show() {
  for (const { card, draw } of charts) draw(series.of(card, history[span]), spans[span]);
}

let asked = 0;
async function tick() {
  if (document.hidden) return;
  const due = span === "hour" ? ASK_MS : MINUTE_MS;
  if (performance.now() - asked >= due - 100) {
    asked = performance.now();
    await ask().catch(() => {}); // the bar tells that the connection is lost
  }
  htmx.trigger(document.body, "machine");
}

for (const button of document.querySelectorAll("[data-span]")) {
  button.addEventListener("click", () => {
    span = button.dataset.span;
    for (const one of document.querySelectorAll("[data-span]")) one.setAttribute("aria-pressed", String(one === button));
    asked = performance.now();
    ask().catch(() => {});
  });
}
setInterval(tick, ASK_MS);
document.addEventListener("visibilitychange", tick);
ask().catch(() => {});

/* Parts that did not change are left alone, so that nothing is read aloud twice; open details stay open. */
const last = new WeakMap();
const open = new Map();
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig } = event.detail;
  if (requestConfig.verb === "get" && last.get(target) === xhr.response) event.detail.shouldSwap = false;
  last.set(target, xhr.response);
  for (const one of target.querySelectorAll("details[id]")) open.set(one.id, one.open);
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  for (const one of detail.target.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = open.get(one.id);
  noteJob();
});

/* When a job began or ended, the environments are others. */
const job = () => document.querySelector("[data-job]")?.dataset.job;
let seen = job();
function noteJob() {
  if (job() === seen) return;
  seen = job();
  htmx.trigger(document.body, "environments");
}
