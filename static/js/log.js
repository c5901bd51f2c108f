/** The log of a step run: the end first, earlier lines on demand, following without taking the reader's place. */
import { copied } from "./log_copy.js";
import { block, more } from "./log_lines.js";
import { LogWindow, PIECE } from "./log_window.js";
import { filled, words } from "./words.js";

const FOLLOW_MS = 1000;
/** Bytes of a step back or forward in a search beyond what is shown. */
const FAR = 1000000;

export class LogView {
  /** @param {HTMLElement} root the section with `data-log` and `data-active` */
  constructor(root) {
    this.root = root;
    this.lines = root.querySelector(".lines");
    this.note = root.querySelector(".log-note");
    this.found = root.querySelector(".found");
    this.search = root.querySelector("input[type='search']");
    this.button = root.querySelector("[data-follow]");
    this.window = new LogWindow();
    this.atEnd = true;
    this.over = false;
    this.turn = 0;
    this.button.addEventListener("click", () => this.follow(!this.follows));
    this.lines.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.search.addEventListener("input", () => {
      this.turn += 1;
      this.mark();
    });
    this.search.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.find(event.shiftKey ? -1 : 1);
      else if (event.key === "Escape" && this.search.value) {
        event.stopPropagation();
        this.search.value = "";
        this.mark();
      }
    });
    root.addEventListener("click", ({ target }) => this.clicked(target));
    root.querySelector("select").addEventListener("change", ({ target }) => {
      this.lines.dataset.level = target.value;
      if (this.follows) this.toEnd();
    });
    this.begin();
  }

  get follows() {
    return this.button.getAttribute("aria-pressed") === "true";
  }

  get active() {
    return this.root.dataset.active === "yes";
  }

  /** Ask the server for a part of the log; null where there is none. */
  async ask(query) {
    if (this.root.dataset.there === "no") {
      this.say(this.active ? words.no_log : words.gone);
      return null;
    }
    try {
      const answer = await fetch(`${this.root.dataset.log}?${new URLSearchParams(query)}`);
      if (answer.status === 404) {
        this.say(this.active ? words.no_log : words.gone);
        return null;
      }
      if (!answer.ok) throw new Error(answer.status);
      this.say("");
      return await answer.json();
    } catch {
      this.say(words.no_answer);
      return null;
    }
  }

  say(text) {
    if (this.note.textContent !== text) this.note.textContent = text;
  }

  async begin() {
    await this.showEnd();
    const tick = async () => {
      if (!this.root.isConnected) return;
      if (!document.hidden) await this.grow();
      this.timer = setTimeout(tick, FOLLOW_MS);
    };
    this.timer = setTimeout(tick, FOLLOW_MS);
  }

  /** Show the end of the log, whatever was shown before. */
  async showEnd() {
    const part = await this.ask({ end: true, size: PIECE });
    if (!part) return;
    this.window.clear();
    this.window.append(part);
    this.atEnd = true;
    this.draw();
    this.toEnd();
  }

  /** Read what was printed since; an ended step is read once more, to its end. */
  async grow() {
    if ((this.over && !this.active) || !this.atEnd) return;
    const last = !this.active;
    if (!this.window.pieces.length) {
      await this.showEnd();
    } else {
      for (;;) {
        const { next } = this.window;
        const part = await this.ask({ offset: next, size: PIECE });
        if (!part || part.next === next || next !== this.window.next || !this.atEnd) break;
        const dropped = this.window.append(part);
        this.drawEnd(dropped);
      }
    }
    this.over = last && this.window.pieces.length > 0;
  }

  /** Follow the end, or stay where the reader is. */
  follow(on) {
    this.button.setAttribute("aria-pressed", String(on));
    if (!on) return;
    if (this.atEnd) this.toEnd();
    else this.showEnd();
  }

  scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.lines;
    const bottom = scrollHeight - scrollTop - clientHeight < 30;
    if (this.follows && !bottom && scrollTop < this.lastTop) this.follow(false);
    else if (!this.follows && bottom && this.atEnd && scrollTop > this.lastTop) this.follow(true);
    this.lastTop = scrollTop;
  }

  toEnd() {
    this.lines.scrollTop = this.lines.scrollHeight;
    this.lastTop = this.lines.scrollTop;
  }

  clicked(target) {
    const find = target.closest("[data-find]");
    if (find) this.find(Number(find.dataset.find));
    else if (target.closest("[data-copy-log]")) this.copy(target.closest("[data-copy-log]"));
    else if (target.closest("[data-earlier]")) this.earlier();
    else if (target.closest("[data-later]")) this.later();
  }

  async earlier() {
    const { first } = this.window;
    const offset = Math.max(0, first - PIECE);
    const part = await this.ask({ offset, size: first - offset });
    const cut = part && part.next < first ? await this.ask({ offset: part.next, size: 4 }) : null;
    if (!part || part.next > first || first !== this.window.first) return;
    if (cut) this.window.mend(cut.text);
    const height = this.lines.scrollHeight - this.lines.scrollTop;
    this.follow(false);
    if (this.window.prepend(part)) this.atEnd = false;
    this.draw();
    this.lines.scrollTop = this.lines.scrollHeight - height;
  }

  async later() {
    const { next } = this.window;
    const part = await this.ask({ offset: next, size: PIECE });
    if (!part || next !== this.window.next) return;
    if (part.next === next) this.atEnd = true;
    else this.window.append(part);
    const top = this.lines.querySelector(".line:last-of-type");
    this.draw();
    top?.scrollIntoView({ block: "end" });
  }

  draw() {
    const blocks = this.window.pieces.map((_, index) => block(this.window, index));
    this.lines.replaceChildren(...blocks);
    if (this.window.hasEarlier) this.lines.prepend(more("earlier"));
    if (!this.atEnd) this.lines.append(more("later"));
    this.mark(true);
  }

  /** Draw only what grew. */
  drawEnd(dropped) {
    const blocks = [...this.lines.querySelectorAll(".block")];
    const last = this.window.pieces.length - 1;
    if (dropped || Math.abs(blocks.length - last - 1) > 1) {
      const height = this.lines.scrollHeight - this.lines.scrollTop;
      this.draw();
      if (!this.follows) this.lines.scrollTop = this.lines.scrollHeight - height;
    } else {
      for (let index = Math.max(0, blocks.length - 1); index <= last; index += 1) {
        if (blocks[index]) blocks[index].replaceWith(block(this.window, index));
        else this.lines.append(block(this.window, index));
      }
      this.mark(true);
    }
    if (this.follows) this.toEnd();
  }

  matches() {
    return [...this.lines.querySelectorAll(".match")].filter((line) => line.offsetParent);
  }

  /** Mark the lines that hold what is searched for. */
  mark(keep = false) {
    const wanted = this.search.value.toLowerCase();
    for (const line of this.lines.querySelectorAll(".line")) {
      line.classList.toggle("match", Boolean(wanted) && line.textContent.toLowerCase().includes(wanted));
      if (!keep) line.classList.remove("now");
    }
    if (!wanted) this.found.textContent = "";
    else if (!keep) this.tell(this.matches(), -1);
  }

  tell(all, now) {
    this.found.textContent = all.length ? filled(words.matches, { now: now < 0 ? "–" : now + 1, all: all.length }) : "";
  }

  /** Go to the next (1) or the previous (-1) match; beyond what is shown the log is read on. */
  async find(step) {
    if (!this.search.value) return;
    this.turn += 1;
    const all = this.matches();
    const at = all.findIndex((line) => line.classList.contains("now"));
    const next = at < 0 ? (step < 0 ? all.length - 1 : 0) : at + step;
    if (all[next]) {
      this.show(all, next);
      return;
    }
    this.found.textContent = words.searching;
    const { turn } = this;
    const reached = await this.seek(step, turn);
    if (turn !== this.turn) return;
    const found = reached ? this.matches() : all;
    if (found.length) this.show(found, step < 0 ? found.length - 1 : 0);
    else this.found.textContent = words.none;
  }

  show(all, index) {
    this.follow(false);
    this.lines.querySelector(".now")?.classList.remove("now");
    all[index].classList.add("now");
    all[index].scrollIntoView({ block: "center" });
    this.lastTop = this.lines.scrollTop;
    this.tell(all, index);
  }

  /**
   * Read the log on from what is shown, at its end (or beginning) from the other end, until the text is found; then
   * that part is shown.
   *
   * @param {number} step 1 is forward, -1 back
   * @param {number} turn the search that this is; it ends when another is begun
   * @returns {Promise<boolean>} whether it was found
   */
  async seek(step, turn) {
    const { first, next } = this.window;
    const whole = (await this.ask({ end: true, size: 1 }))?.next ?? next;
    const ranges = step > 0 ? [[next, whole], [0, first]] : [[0, first], [next, whole]];
    for (const [begin, end] of ranges) {
      for (let at = step > 0 ? begin : end; step > 0 ? at < end : at > begin; at += step * FAR) {
        const offset = step > 0 ? at : Math.max(begin, at - FAR);
        const size = Math.min(FAR, step > 0 ? end - at : at - offset);
        const part = await this.ask({ offset, size });
        if (!part || turn !== this.turn) return false;
        if (this.take(part)) return true;
      }
    }
    return false;
  }

  take(part) {
    if (!part.text.toLowerCase().includes(this.search.value.toLowerCase())) return false;
    this.window.clear();
    this.window.append(part);
    this.atEnd = false;
    this.draw();
    return this.matches().length > 0;
  }

  async copy(button) {
    const shown = [...this.lines.querySelectorAll(".line")].filter((line) => line.offsetParent);
    await copied(button, shown.map((line) => line.textContent).join("\n"));
  }
}
