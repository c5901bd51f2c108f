/** What is said as text to read: by speaker, a page at a time, each word a link to its frame; and where a text is. */
import { filled, words } from "../words.js";
import { between, Finder, isUnsure, pagesOf, paragraphsOf, saidAt, sureTold } from "./phrases.js";

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };
/** Pixels from the end of the text within which it is read to its end. */
const NEAR = 40;

function element(name, className, ...content) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

export class Transcript {
  /**
   * @param {HTMLElement} root the panel
   * @param {{fps: number, timecode: (frame: number) => string, address: (frame: number) => string}} clock
   * @param {(frame: number) => void} go
   */
  constructor(root, clock, go) {
    Object.assign(this, { root, clock, go, all: [], pages: [], page: 0, current: -1, follows: true });
    Object.assign(this, { hits: [], hit: -1 });
    this.text = root.querySelector(".said");
    this.wish = root.querySelector("input");
    this.found = root.querySelector("[data-hits]");
    this.turner = root.querySelector(".list-pages");
    this.turner.addEventListener("click", ({ target }) => this.onTurn(target.closest("[data-page]")?.dataset.page));
    this.wish.addEventListener("input", () => this.seek());
    this.wish.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.jump(1);
    });
    this.wish.addEventListener("keydown", (event) => this.onWishKey(event));
    root.querySelector("[data-hit]").addEventListener("click", () => this.jump(-1));
    this.text.addEventListener("keydown", (event) => this.onKey(event));
  }

  /** @param {object[]} all the words  @param {string} language  @param {(speaker: string|null) => string} signOf */
  set(all, language, signOf) {
    if (this.all === all) return;
    Object.assign(this, { language, signOf, space: between(language), page: 0, current: -1 });
    this.take(all);
  }

  /** More has come: the words there were, and others after them. Who reads the end goes on reading it. */
  grow(all) {
    const { text } = this;
    const isLast = this.page >= this.pages.length - 1;
    const isAtEnd = isLast && this.current < 0 && text.scrollTop + text.clientHeight > text.scrollHeight - NEAR;
    const [top, focused] = [text.scrollTop, text.contains(document.activeElement) && document.activeElement.dataset.place];
    this.take(all);
    if (isAtEnd) this.turn(this.pages.length - 1);
    text.scrollTop = isAtEnd ? text.scrollHeight : top;
    if (focused) this.link(Number(focused))?.focus({ preventScroll: true });
  }

  take(all) {
    this.all = all;
    this.hasSpeakers = all.some((word) => word.speaker);
    this.pages = pagesOf(paragraphsOf(all, this.clock.fps));
    this.finder = null;
    [this.hits, this.hit] = [this.find(), -1];
    this.draw();
  }

  /** Mark the word that is said in a frame, and turn to its page unless somebody looks at another one. */
  mark(frame) {
    const place = saidAt(this.all, frame);
    if (place === this.current) return;
    this.current = place;
    if (place >= 0 && this.follows && !this.isOn(this.page, place)) this.turn(this.pageOf(place));
    else this.marked();
  }

  onTurn(step) {
    if (!step) return;
    this.follows = step === "current";
    this.turn(this.follows ? this.pageOf(Math.max(this.current, 0)) : this.page + Number(step));
  }

  pageOf(place) {
    return this.pages.findIndex((_, page) => this.isOn(page, place));
  }

  isOn(page, place) {
    const { first, end } = this.pages[page];
    return place >= first && place < end;
  }

  turn(page) {
    this.page = Math.min(Math.max(page, 0), this.pages.length - 1);
    this.draw();
    this.text.scrollTop = 0;
    this.marked();
  }

  draw() {
    const page = this.pages[this.page] ?? { first: 0, end: 0, paragraphs: [] };
    this.text.replaceChildren(...page.paragraphs.map((one) => this.paragraph(one)));
    this.turner.hidden = this.pages.length < 2;
    const values = { first: page.first + 1, last: page.end, all: this.all.length };
    this.turner.querySelector(".list-place").textContent = filled(words.rows_of, values);
    this.turner.querySelector("[data-page='-1']").disabled = this.page === 0;
    this.turner.querySelector("[data-page='1']").disabled = this.page >= this.pages.length - 1;
    this.showHits();
    this.marked();
  }

  paragraph({ speaker, words: said }) {
    const time = element("a", "mono", this.clock.timecode(said[0].frame));
    time.href = this.clock.address(said[0].frame);
    const name = this.hasSpeakers ? [element("strong", "", speaker ?? words.speaker_unknown), " "] : [];
    const who = element("p", "said-who", ...name, time);
    who.style.setProperty("--row", this.signOf(speaker));
    const text = element("p", "said-text", ...said.flatMap((word) => [this.word(word), this.space]));
    text.lang = this.language;
    return element("div", "said-part", who, text);
  }

  word(word) {
    const link = element("a", isUnsure(word) ? "unsure" : "", word.text);
    link.href = this.clock.address(word.frame);
    link.tabIndex = -1;
    link.dataset.place = word.place;
    if (isUnsure(word)) link.title = sureTold(word);
    return link;
  }

  link(place) {
    return this.text.querySelector(`[data-place="${place}"]`);
  }

  marked() {
    this.text.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const link = this.link(this.current);
    link?.setAttribute("aria-current", "true");
    this.stop(link ?? this.text.querySelector("[tabindex='0']") ?? this.text.querySelector("[data-place]"));
    if (link && this.follows && !this.root.contains(document.activeElement)) this.into(link);
  }

  /** One word can be reached with the tabulator; the arrows lead from it to the others. */
  stop(link) {
    for (const one of this.text.querySelectorAll("[data-place][tabindex='0']")) one.tabIndex = -1;
    if (link) link.tabIndex = 0;
  }

  onKey(event) {
    const step = STEPS[event.key];
    const place = event.target.dataset.place;
    if (!step || !place || event.shiftKey || event.ctrlKey || event.altKey || event.metaKey) return;
    const next = this.link(Number(place) + step);
    if (next) {
      this.stop(next);
      next.focus();
    }
    event.preventDefault();
  }

  /** Scroll the text, never the page. */
  into(link) {
    const [top, bottom] = [link.offsetTop, link.offsetTop + link.offsetHeight];
    if (top < this.text.scrollTop + 8 || bottom > this.text.scrollTop + this.text.clientHeight - 8) {
      this.text.scrollTop = top - this.text.clientHeight / 2;
    }
  }

  seek() {
    [this.hits, this.hit] = [this.find(), -1];
    this.showHits();
  }

  find() {
    if (!this.wish.value.trim()) return [];
    this.finder ??= new Finder(this.all, this.space);
    return this.finder.find(this.wish.value);
  }

  onWishKey(event) {
    if (event.key !== "Enter" || !event.shiftKey) return;
    event.preventDefault();
    this.jump(-1);
  }

  /** To the next hit, or the one before; from the playhead at first, and around at the ends. */
  jump(way) {
    if (!this.hits.length) return;
    if (this.hit < 0) this.hit = this.nearest(way);
    else this.hit = (this.hit + way + this.hits.length) % this.hits.length;
    const { first } = this.hits[this.hit];
    this.follows = true;
    this.go(this.all[first].frame);
    if (this.isOn(this.page, first)) this.showHits();
    else this.turn(this.pageOf(first));
    this.into(this.link(first));
  }

  nearest(way) {
    const from = Math.max(this.current, 0);
    const { hits } = this;
    const found = way > 0 ? hits.findIndex((one) => one.first >= from) : hits.findLastIndex((one) => one.first < from);
    return found < 0 ? (way > 0 ? 0 : hits.length - 1) : found;
  }

  showHits() {
    for (const one of this.text.querySelectorAll(".hit")) one.classList.remove("hit", "is-here");
    const { first: from = 0, end: to = 0 } = this.pages[this.page] ?? {};
    this.hits.forEach(({ first, end }, number) => {
      for (let place = Math.max(first, from); place < Math.min(end, to); place += 1) {
        this.link(place).classList.add("hit");
        this.link(place).classList.toggle("is-here", number === this.hit);
      }
    });
    for (const button of this.wish.form.querySelectorAll("button")) button.disabled = !this.hits.length;
    this.found.textContent = this.told();
  }

  told() {
    if (!this.wish.value.trim()) return "";
    const values = { hit: this.hit + 1, all: this.hits.length };
    return filled(!this.hits.length ? words.hits_none : this.hit < 0 ? words.hits_all : words.hits_of, values);
  }
}
