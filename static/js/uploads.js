/** Uploads on the pipeline page: files dropped or chosen, a row for each with progress, pause, and cancel. */
import { duration } from "./shown.js";
import { dropped } from "./uploads_files.js";
import { Refused, Transfer, forget, unfinished } from "./uploads_transfer.js";
import { filled, words } from "./words.js";

const AT_ONCE = 2;
const LOOK_MS = 10000;
const byId = (id) => document.getElementById(id);
const [area, list, picker, drop, together] = ["uploads", "upload-list", "files", "drop", "together"].map(byId);
const largest = Number(area.dataset.chunk);
const endsIn = (suffixes) => (file) => suffixes.some((suffix) => file.name.toLowerCase().endsWith(suffix));
const isTaken = endsIn(picker.accept.split(","));
const isVideo = endsIn(area.dataset.videos.split(","));
/** Transfers of this tab, and rows of uploads that no file is known for here, by id. */
const transfers = [];
const elsewhere = new Map();
const rows = new Map();

const number = (value, digits) => new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: digits }).format(value);
function size(bytes) {
  const unit = ["B", "kB", "MB", "GB", "TB"];
  let at = 0;
  let value = bytes;
  for (; value >= 999.5 && at < unit.length - 1; at += 1) value /= 1000;
  return `${number(value, value >= 10 || !at ? 0 : 1)} ${unit[at]}`;
}

function makeRow(key, does) {
  const row = byId("upload-row").content.firstElementChild.cloneNode(true);
  row.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-does]");
    if (button) does(button.dataset.does);
  });
  rows.set(key, row);
  list.append(row);
  return row;
}

function fill(row, { name, state, offset, whole, said, buttons }) {
  row.dataset.state = state;
  row.querySelector(".upload-name").textContent = name;
  const shown = row.querySelector(".upload-said");
  if (shown.textContent !== said) shown.textContent = said;
  const bar = row.querySelector("progress");
  bar.max = whole;
  bar.value = offset;
  bar.setAttribute("aria-label", name);
  for (const button of row.querySelectorAll("[data-does]")) {
    button.hidden = !buttons.includes(button.dataset.does);
    button.setAttribute("aria-label", `${button.textContent.trim()}: ${name}`);
  }
}

function sentence(transfer) {
  const { offset, file, rate, said, state } = transfer;
  const percent = `${Math.floor((100 * offset) / file.size)} %`;
  const values = { percent, size: size(file.size), rate: size(rate), time: duration((file.size - offset) / (rate || 1)) };
  if (state === "refused") return said || words.failed;
  if (state === "stored") return filled(words.stored, { name: said });
  if (state === "sending") return rate ? filled(file.size - offset > 3 * rate ? words.sending_left : words.sending, values) : words.waiting;
  return filled(words[state], values);
}

const BUTTONS = {
  waiting: ["cancel"], sending: ["pause", "cancel"], retrying: ["pause", "cancel"], paused: ["resume", "cancel"],
  refused: ["resume", "hide"], not_taken: ["hide"], unreadable: ["hide"], whole: ["cancel"], stored: ["hide"],
};

function changed(transfer) {
  const row = rows.get(transfer) ?? makeRow(transfer, (what) => steer(transfer, what));
  const known = elsewhere.get(transfer.id);
  if (known) drops(known);
  fill(row, { name: transfer.name, state: transfer.state, offset: transfer.offset, whole: transfer.file.size, said: sentence(transfer), buttons: BUTTONS[transfer.state] });
  if (transfer.state === "stored") document.dispatchEvent(new CustomEvent("workflow:stored"));
  area.hidden = false;
  const busy = transfers.filter((one) => !one.over && one.state !== "paused").length;
  const go = byId("uploads-go");
  if (go) go.hidden = busy > 0 || !transfers.some((one) => one.state === "stored");
  const told = busy ? filled(words.uploads_busy, { n: busy }) : words.uploads_over;
  if (byId("uploads-said").textContent !== told) byId("uploads-said").textContent = told;
}

/** What was started for the inbox needs no second start. */
byId("uploads-go")?.addEventListener("htmx:afterRequest", ({ detail }) => {
  if (!detail.successful) return;
  for (const one of transfers.filter((other) => other.state === "stored")) steer(one, "hide");
});

function drops(key) {
  rows.get(key)?.remove();
  rows.delete(key);
  elsewhere.delete(key.id);
  area.hidden = rows.size === 0;
  if (area.hidden && byId("uploads-go")) byId("uploads-go").hidden = true;
}

async function steer(transfer, what) {
  if (what === "pause") transfer.pause();
  if (what === "resume") {
    if (transfer.state === "refused") transfer.id = null;
    transfer.tell("waiting");
  }
  if (what === "cancel") {
    try {
      await transfer.cancel();
    } catch (error) {
      transfer.tell("refused", error.message);
      return;
    }
  }
  if (what === "cancel" || what === "hide") {
    transfers.splice(transfers.indexOf(transfer), 1);
    drops(transfer);
  }
  next();
}

/** Begin what waits, a few at a time; what is whole is asked for again until the others of its project have come. */
function next() {
  const free = AT_ONCE - transfers.filter((one) => ["sending", "retrying"].includes(one.state)).length;
  for (const transfer of transfers.filter((one) => one.state === "waiting").slice(0, Math.max(0, free))) {
    transfer.run().then(() => {
      if (transfer.stored && transfer.project) settle(transfer.project, transfer.stored.split("/")[0]);
      next();
    });
  }
}

/** Others of a project lie in the inbox now too, in the same folder. */
function settle(project, folder) {
  for (const one of transfers.filter((other) => other.project === project && other.state === "whole")) {
    one.tell("stored", `${folder}/${one.file.name}`);
  }
}

async function add(files, project) {
  const fresh = files.map((file) => new Transfer(file, project, largest, changed));
  for (const transfer of fresh) {
    const same = transfers.find((one) => !one.over && one.file.name === transfer.file.name && one.file.size === transfer.file.size && one.project === project);
    if (same) continue;
    transfers.push(transfer);
    transfer.tell(isTaken(transfer.file) ? "waiting" : "not_taken");
  }
  if (project) await announceAll(fresh.filter((one) => one.state === "waiting"));
  next();
}

/** Announce all videos of a project before the first is sent: the project appears when all of them have come. */
async function announceAll(members) {
  for (const transfer of members) {
    while (transfer.state !== "refused" && transfer.id === null && transfers.includes(transfer)) {
      try {
        await transfer.announce();
        transfer.tell("waiting");
      } catch (error) {
        if (error instanceof Refused) transfer.tell("refused", error.message);
        else {
          transfer.tell("retrying");
          await transfer.patience(2000);
        }
      }
    }
  }
}

async function choose(files) {
  const loose = files.filter(isVideo);
  if (loose.length < 2) return add(files, "");
  byId("together-title").textContent = filled(words.together, { n: loose.length });
  together.returnValue = "";
  together.showModal();
  await new Promise((resolve) => together.addEventListener("close", resolve, { once: true }));
  if (together.returnValue !== "go") return undefined;
  const one = together.querySelector("input[value='one']").checked;
  await add(files.filter((file) => !loose.includes(file)), "");
  return add(loose, one ? byId("together-name").value.trim() : "");
}
const name = byId("together-name");
const needsName = () => {
  name.required = together.querySelector("input[value='one']").checked;
};
together.addEventListener("change", needsName);
name.addEventListener("input", () => {
  together.querySelector("input[value='one']").checked = true;
  needsName();
});

picker.addEventListener("change", () => {
  const files = [...picker.files];
  picker.value = "";
  choose(files);
});

/* Dropping anywhere */
const carries = (event) => event.dataTransfer?.types.includes("Files");
let inside = 0;
addEventListener("dragenter", (event) => {
  if (!carries(event)) return;
  inside += 1;
  drop.hidden = false;
});
addEventListener("dragover", (event) => carries(event) && event.preventDefault());
addEventListener("dragleave", (event) => {
  if (!carries(event)) return;
  inside = Math.max(0, inside - 1);
  if (!inside) drop.hidden = true;
});
addEventListener("drop", async (event) => {
  if (!carries(event)) return;
  event.preventDefault();
  inside = 0;
  drop.hidden = true;
  const { files, folders } = await dropped(event.dataTransfer);
  for (const [folder, inner] of folders) await add(inner.filter(isVideo), folder);
  if (files.length) await choose(files);
});

addEventListener("beforeunload", (event) => {
  if (transfers.some((one) => ["waiting", "sending", "retrying"].includes(one.state))) event.preventDefault();
});

/* What other tabs send, and what was begun before and is not finished. */
async function look() {
  const known = await unfinished().catch(() => []);
  const ours = new Set(transfers.map((one) => one.id));
  const there = new Set(known.map((one) => one.id));
  for (const key of [...elsewhere.values()]) if (!there.has(key.id)) drops(key);
  for (const upload of known.filter((one) => !ours.has(one.id))) {
    const key = elsewhere.get(upload.id) ?? { id: upload.id };
    elsewhere.set(upload.id, key);
    const row = rows.get(key) ?? makeRow(key, () => forget(key.id).then(() => drops(key)));
    const values = { percent: `${Math.floor((100 * upload.offset) / upload.size)} %`, size: size(upload.size) };
    fill(row, {
      name: upload.project ? `${upload.project} / ${upload.name}` : upload.name,
      state: "elsewhere",
      offset: upload.offset,
      whole: upload.size,
      said: upload.whole ? words.whole : filled(words.elsewhere, values),
      buttons: ["cancel"],
    });
    area.hidden = false;
  }
}
look();
setInterval(() => elsewhere.size && !document.hidden && look(), LOOK_MS);
