/** The same as the lanes show, as tables: a page of rows at a time, each a link to its frame. */
import { filled, words } from "../words.js";

const ROWS = 50;

const element = (name, text, attributes = {}) => {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
};

/** A table of many rows. */
export class List {
  /**
   * @param {HTMLElement} root holds a `table` with its head, and `.list-pages`
   * @param {(row: object, index: number) => (string|number)[]} cells the first is the link
   */
  constructor(root, cells) {
    this.root = root;
    this.cells = cells;
    this.body = root.querySelector("tbody");
    this.pages = root.querySelector(".list-pages");
    this.numeric = [...root.querySelectorAll("th")].map((head) => head.classList.contains("number"));
    this.rows = [];
    this.page = 0;
    this.current = -1;
    this.follows = true;
    this.pages.addEventListener("click", ({ target }) => {
      const step = target.closest("[data-page]")?.dataset.page;
      if (!step) return;
      this.follows = step === "current";
      this.turn(this.follows ? this.current : (this.page + Number(step)) * ROWS);
    });
  }

  /** @param {{start: number}[]} rows in the order of time; `start` is the frame that the link leads to */
  set(rows) {
    this.rows = rows;
    this.current = -1;
    this.page = 0;
    this.draw();
  }

  /** Mark the row that a frame is in, and turn to its page unless somebody looks at another one. */
  mark(index) {
    if (index === this.current) return;
    this.current = index;
    if (this.follows && index >= 0 && Math.floor(index / ROWS) !== this.page) this.turn(index);
    else this.marked();
  }

  turn(row) {
    const last = Math.max(Math.ceil(this.rows.length / ROWS) - 1, 0);
    this.page = Math.min(Math.max(Math.floor(row / ROWS), 0), last);
    this.draw();
  }

  draw() {
    const from = this.page * ROWS;
    const shown = this.rows.slice(from, from + ROWS);
    this.body.replaceChildren(...shown.map((row, place) => this.line(row, from + place)));
    this.pages.hidden = this.rows.length <= ROWS;
    const values = { first: from + 1, last: from + shown.length, all: this.rows.length };
    this.pages.querySelector(".list-place").textContent = filled(words.rows_of, values);
    this.pages.querySelector("[data-page='-1']").disabled = this.page === 0;
    this.pages.querySelector("[data-page='1']").disabled = from + ROWS >= this.rows.length;
    this.marked();
  }

  line(row, index) {
    const line = element("tr", "");
    this.cells(row, index).forEach((text, place) => {
      const cell = element("td", place ? text : "", this.numeric[place] ? { class: "number" } : {});
      if (!place) cell.append(element("a", text, { href: `#frame=${row.start + 1}` }));
      line.append(cell);
    });
    return line;
  }

  marked() {
    this.body.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const line = this.body.children[this.current - this.page * ROWS];
    line?.setAttribute("aria-current", "true");
    if (line && this.follows && !this.root.contains(document.activeElement)) this.into(line);
  }

  /** Scroll the list, never the page. */
  into(line) {
    const frame = this.body.closest(".table-frame");
    const [top, bottom] = [line.offsetTop, line.offsetTop + line.offsetHeight];
    if (top < frame.scrollTop + 40 || bottom > frame.scrollTop + frame.clientHeight) {
      frame.scrollTop = top - frame.clientHeight / 2;
    }
  }
}

/** Tabs with panels, as the keyboard expects them. */
export function tabs(root) {
  const all = [...root.querySelectorAll("[role=tab]")];
  const choose = (chosen) => {
    for (const tab of all) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  };
  root.addEventListener("click", ({ target }) => target.closest("[role=tab]") && choose(target.closest("[role=tab]")));
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !event.target.matches("[role=tab]")) return;
    const there = all.filter((tab) => !tab.hidden);
    const next = there[(there.indexOf(event.target) + step + there.length) % there.length];
    choose(next);
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  });
}
