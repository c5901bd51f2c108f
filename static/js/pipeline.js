/** The pipeline page: projects and steps follow the work, ticks outlive what is fetched anew, keys do everything. */
import { throttled } from "./parts.js";
import { clearSequence, sequence, toggleNumber } from "./sequence.js";
import { duration } from "./shown.js";
import { filled, words } from "./words.js";

const byId = (id) => document.getElementById(id);
const [list, find, state, all] = ["project-list", "find", "state", "all"].map(byId);
const chosen = new Set([...list.querySelectorAll("input:checked")].map((box) => box.value));
let wantedState = state.value;

/* Projects: what is ticked is kept by key, so that new rows show it. */
const boxes = () => [...list.querySelectorAll("input[name='project']")];
const seen = () => boxes().filter((box) => !box.closest("li").hidden);
const folded = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function showProjects() {
  const text = folded(find.value.trim());
  for (const box of boxes()) {
    const row = box.closest("li");
    row.hidden = !folded(row.querySelector("a").textContent).includes(text) || (wantedState !== "" && row.dataset.state !== wantedState);
    box.checked = chosen.has(box.value);
  }
  const shown = seen();
  byId("none-found").hidden = shown.length > 0 || boxes().length === 0;
  byId("all-text").textContent = filled(words.shown_of, { n: shown.length });
  const ticked = shown.filter((box) => box.checked).length;
  all.checked = shown.length > 0 && ticked === shown.length;
  all.indeterminate = ticked > 0 && ticked < shown.length;
  all.disabled = shown.length === 0;
  byId("chosen-said").textContent = chosen.size ? filled(words.chosen, { n: chosen.size }) : "";
  showStart();
}

function showStart() {
  const steps = sequence();
  const what = steps ? filled(words.start_some, { steps }) : words.start_all;
  const text = chosen.size === 1 ? words.start_on_one : words.start_on;
  byId("start-text").textContent = chosen.size ? filled(text, { what, n: chosen.size }) : what;
}

function tick(box, on) {
  if (on) chosen.add(box.value);
  else chosen.delete(box.value);
}
list.addEventListener("change", ({ target }) => {
  tick(target, target.checked);
  showProjects();
});
all.addEventListener("change", () => {
  seen().forEach((box) => tick(box, all.checked));
  showProjects();
});
find.addEventListener("input", showProjects);
state.addEventListener("change", () => {
  wantedState = state.value;
  showProjects();
});
document.addEventListener("sequence", showStart);
/** The warnings that are unfolded, by id: they stay so. */
const unfolded = new Set();
document.addEventListener("toggle", ({ target }) => target.matches(".warned") && (target.open ? unfolded.add(target.id) : unfolded.delete(target.id)), true);
document.addEventListener("htmx:oobAfterSwap", ({ detail: { target } }) => {
  for (const one of target.querySelectorAll(".warned")) one.open = unfolded.has(one.id);
  if (target.id === "state") {
    state.value = wantedState;
    if (state.value !== wantedState) wantedState = state.value = "";
  } else if (target.id === "project-list") {
    const there = new Set(boxes().map((box) => box.value));
    for (const key of chosen) if (!there.has(key)) chosen.delete(key);
  } else return;
  showProjects();
});
showProjects();

/* Options that are not as usual are told beside the folded list. */
const start = byId("start");
function showOptions() {
  const [device, priority, force] = ["device", "priority", "force"].map(byId);
  const parameters = [...start.querySelectorAll(".fields [name]")].filter((one) => one.value !== "").length;
  const said = [
    device.value && device.selectedOptions[0].textContent,
    Number(priority.value) && `${words.priority} ${priority.value}`,
    force.checked && words.force,
    parameters && filled(words.parameters, { n: parameters }),
  ].filter(Boolean);
  byId("options-said").textContent = said.length ? ` – ${said.join(", ")}` : "";
}
start.addEventListener("change", showOptions);
showOptions();

/* Fetched anew when something happens, at most every so often; until nothing is unknown; and now and then. */
const slow = () => (boxes().length > 60 ? 2500 : 1000);
const refreshWork = throttled(() => htmx.trigger("#work", "refresh"), slow);
const refreshRuns = throttled(() => htmx.trigger("#runs", "refresh"), slow);
const refreshInbox = throttled(() => htmx.trigger("#inbox", "refresh"), slow);
const unknown = () => Number(byId("unknown")?.dataset.count ?? 0);

document.addEventListener("workflow:event", ({ detail: { kind, data } }) => {
  if (kind === "run") refreshRuns();
  if (["run", "step", "video", "warning"].includes(kind)) refreshWork();
  if (kind === "step") refreshRuns();
  if (kind === "step" && data.step === "STEP1") refreshInbox();
});
document.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (detail.elt.id === "work" && detail.successful && unknown()) htmx.trigger("#work", "refresh");
  if (detail.elt.id === "start" && detail.successful) byId("plan").close();
});
setInterval(() => document.hidden || refreshWork(), 20000);
document.addEventListener("workflow:stored", refreshInbox);
if (unknown()) addEventListener("load", refreshWork);

/* How long a step run takes in all: from the videos that are done and the share of the one at work. */
document.addEventListener("workflow:event", ({ detail: { kind, data, step_run: id } }) => {
  const work = kind === "progress" && document.querySelector(`[data-step-run-work="${id}"]`);
  if (!work) return;
  const { done, total, started } = work.dataset;
  const within = data.total > 0 ? Math.min(data.done / data.total, 1) : 0;
  const share = Number(total) > 1 ? Math.min((Number(done) + within) / Number(total), 1) : 0;
  const elapsed = (Date.now() - Date.parse(started)) / 1000;
  const known = share > 0.03 && elapsed > 10;
  work.querySelector(".whole-left").textContent = known ? filled(words.whole_left, { time: duration((elapsed * (1 - share)) / share) }) : "";
});

/* Dialogs and keys */
byId("keys-open").addEventListener("click", () => byId("keys").showModal());
document.addEventListener("click", ({ target }) => {
  const shuts = target.closest("[data-shuts]");
  if (shuts) byId(shuts.dataset.shuts).close();
});
document.addEventListener("htmx:afterSwap", ({ detail }) => {
  if (detail.target.id === "plan-body" && !byId("plan").open) byId("plan").showModal();
});

const wish = "workflow-keys";
byId("keys-on").checked = localStorage.getItem(wish) !== "no";
byId("keys-on").addEventListener("change", ({ target }) => localStorage.setItem(wish, target.checked ? "yes" : "no"));

const actions = {
  "/": () => find.focus(),
  "?": () => byId("keys").showModal(),
  a: () => all.click(),
  p: () => byId("plan-open").click(),
  u: () => byId("files").click(),
  x: () => {
    chosen.clear();
    clearSequence();
    showProjects();
  },
};
document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type='checkbox']):not([type='radio']), select, textarea");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!document.querySelector("dialog[open]:not(#plan)")) byId("start-button").click();
    return;
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (!byId("keys-on").checked) return;
  if (actions[event.key]) {
    event.preventDefault();
    actions[event.key]();
  } else if (/^\d$/.test(event.key)) toggleNumber(event.key);
});
