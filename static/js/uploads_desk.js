/** Uploads on a page: a row for each with progress, pause, and cancel; a few are sent at once, the others wait. */
import { duration, size } from "./shown.js";
import { Transfer, forget, unfinished } from "./uploads_transfer.js";
import { filled, words } from "./words.js";

const AT_ONCE = 2;
const LOOK_MS = 10000;
const BUTTONS = {
  waiting: ["cancel"], sending: ["pause", "cancel"], retrying: ["pause", "cancel"], paused: ["resume", "cancel"],
  refused: ["resume", "hide"], not_taken: ["hide"], unreadable: ["hide"], whole: ["cancel"], stored: ["hide"],
};
const GOING = ["waiting", "sending", "retrying"];

const percentOf = ({ offset }, whole) => `${Math.floor((100 * offset) / whole)} %`;

function sentence(transfer) {
  const { offset, file, rate, said, state } = transfer;
  const left = file.size - offset;
  const values = { percent: percentOf(transfer, file.size), size: size(file.size), rate: size(rate), time: duration(left / (rate || 1)) };
  if (state === "refused") return said || words.failed;
  if (state === "stored") return filled(words.stored, { name: said });
  if (state === "sending") return rate ? filled(left > 3 * rate ? words.sending_left : words.sending, values) : words.waiting;
  return filled(words[state], values);
}

/** Tells `changed` after every change, and `over` with the transfer as detail when nothing more is to be sent of one. */
export class UploadDesk extends EventTarget {
  /**
   * @param {HTMLElement} area holds a list, a place for how all stand (`[role=status]`), and the largest piece as data
   * @param {HTMLTemplateElement} template a row
   * @param {string} address where files are announced
   * @param {(file: File) => boolean} isTaken whether files of that name are taken here
   */
  constructor(area, template, address, isTaken = () => true) {
    super();
    Object.assign(this, { area, template, isTaken, target: { address, largest: Number(area.dataset.chunk) } });
    this.list = area.querySelector("ul");
    this.said = area.querySelector("[role=status]");
    /** Transfers of this tab, and rows of uploads that no file is known for here, by id. */
    this.transfers = [];
    this.elsewhere = new Map();
    this.rows = new Map();
    addEventListener("beforeunload", (event) => {
      if (this.busy) event.preventDefault();
    });
    this.look();
    setInterval(() => this.elsewhere.size && !document.hidden && this.look(), LOOK_MS);
  }

  /** How many are on their way. */
  get busy() {
    return this.transfers.filter((one) => GOING.includes(one.state)).length;
  }

  /** Take files over, but for those that are on their way already. @returns {Transfer[]} the new ones that wait */
  add(files, fields) {
    const fresh = files.map((file) => new Transfer(file, fields, this.target, (one) => this.changed(one)));
    const same = (one, other) => !one.over && one.name === other.name && one.file.size === other.file.size;
    const taken = fresh.filter((one) => !this.transfers.some((other) => same(other, one)));
    for (const one of taken) {
      this.transfers.push(one);
      one.tell(this.isTaken(one.file) ? "waiting" : "not_taken");
    }
    return taken.filter((one) => one.state === "waiting");
  }

  /** Begin what waits, a few at a time. */
  next() {
    const free = AT_ONCE - this.transfers.filter((one) => ["sending", "retrying"].includes(one.state)).length;
    for (const transfer of this.transfers.filter((one) => one.state === "waiting").slice(0, Math.max(0, free))) {
      transfer.run().then(() => {
        if (transfer.over) this.dispatchEvent(new CustomEvent("over", { detail: transfer }));
        this.next();
      });
    }
  }

  async steer(transfer, what) {
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
      this.transfers.splice(this.transfers.indexOf(transfer), 1);
      this.drop(transfer);
    }
    this.next();
  }

  changed(transfer) {
    const row = this.rows.get(transfer) ?? this.makeRow(transfer, (what) => this.steer(transfer, what));
    const known = this.elsewhere.get(transfer.id);
    if (known) this.drop(known);
    const { name, state, offset, file } = transfer;
    fill(row, { name, state, offset, whole: file.size, said: sentence(transfer), buttons: BUTTONS[state] });
    const told = this.busy ? filled(words.uploads_busy, { n: this.busy }) : words.uploads_over;
    if (this.said.textContent !== told) this.said.textContent = told;
    this.tell();
  }

  makeRow(key, does) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.addEventListener("click", ({ target }) => {
      const button = target.closest("[data-does]");
      if (button) does(button.dataset.does);
    });
    this.rows.set(key, row);
    this.list.append(row);
    return row;
  }

  drop(key) {
    this.rows.get(key)?.remove();
    this.rows.delete(key);
    this.elsewhere.delete(key.id);
    this.tell();
  }

  tell() {
    this.area.hidden = this.rows.size === 0;
    this.dispatchEvent(new Event("changed"));
  }

  /** What other tabs send, and what was begun before and is not finished. */
  async look() {
    const { address } = this.target;
    const known = await unfinished(address).catch(() => []);
    const ours = new Set(this.transfers.map((one) => one.id));
    const there = new Set(known.map((one) => one.id));
    for (const key of [...this.elsewhere.values()]) if (!there.has(key.id)) this.drop(key);
    for (const upload of known.filter((one) => !ours.has(one.id))) {
      const key = this.elsewhere.get(upload.id) ?? { id: upload.id };
      this.elsewhere.set(upload.id, key);
      const row = this.rows.get(key) ?? this.makeRow(key, () => forget(address, key.id).then(() => this.drop(key)));
      const values = { percent: percentOf(upload, upload.size), size: size(upload.size) };
      fill(row, {
        name: upload.project ? `${upload.project} / ${upload.name}` : upload.name,
        state: "elsewhere",
        offset: upload.offset,
        whole: upload.size,
        said: upload.whole ? words.whole : filled(words.elsewhere, values),
        buttons: ["cancel"],
      });
      this.tell();
    }
  }
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
