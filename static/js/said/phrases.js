/**
 * Words as they belong together: phrases for the lane, paragraphs and pages for reading, and where a text is said.
 *
 * A word has its `start` and `end` in frames, which may be parts of one, the `frame` in which it begins, its `place`
 * among all words, its `text`, its `speaker` (null: not known) and its `probability`.
 */
import { filled, words } from "../words.js";

/** Seconds of silence that end a phrase, and a paragraph. */
const PAUSE = 0.7;
const LONG_PAUSE = 2;
/** The most words of a phrase and of a paragraph, and how many are enough for a page. */
const PHRASE = 40;
const PARAGRAPH = 90;
const PAGE = 300;
/** Frames by which neighbours may touch without overlapping. */
const TOUCH = 1e-6;
const UNSURE = 0.5;
/** Languages that write no space between words. */
const SPACELESS = new Set(["ja", "km", "lo", "my", "th", "yue", "zh"]);
const SENTENCE_END = /[.!?…。！？]["'”’»）)]*$/u;

export const isUnsure = (word) => word.probability < UNSURE;

/** How sure it is that a word was said. */
export function sureTold(word) {
  const share = `${Math.round(100 * word.probability)} %`;
  return filled(isUnsure(word) ? words.word_unsure : words.word_sure, { share });
}

/** What stands between two words of a language. */
export const between = (language) => (SPACELESS.has(language) ? "" : " ");

/** Words of the server, which come in seconds. */
export function inFrames(found, fps) {
  const said = found.filter((word) => word.text);
  return said.map((word, place) => {
    const start = word.start * fps;
    return { ...word, place, start, end: Math.max(word.end * fps, start + 0.01), frame: Math.floor(start + TOUCH) };
  });
}

/** The place of the word that is said in a frame, the later one where one ends and another begins; -1: none. */
export function saidAt(words, frame) {
  let [low, high] = [0, words.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (words[middle].start < frame + 1 - TOUCH) low = middle + 1;
    else high = middle;
  }
  return low > 0 && words[low - 1].end > frame + TOUCH ? low - 1 : -1;
}

/** Stretches of one speaker without a pause, at most a sentence. @returns {{start, end, speaker, words}[]} */
export function phrasesOf(words, fps) {
  return grouped(words, (phrase, word) => {
    const last = phrase.at(-1);
    const isOver = SENTENCE_END.test(last.text) || phrase.length >= PHRASE;
    return !isOver && word.speaker === last.speaker && word.start - last.end < PAUSE * fps;
  });
}

/** What one speaker says without a long pause, in parts that are not too long to read; they end with a sentence if they can. */
export function paragraphsOf(words, fps) {
  return grouped(words, (paragraph, word) => {
    const last = paragraph.at(-1);
    const isFull = paragraph.length >= PARAGRAPH || (paragraph.length > PARAGRAPH / 2 && SENTENCE_END.test(last.text));
    return !isFull && word.speaker === last.speaker && word.start - last.end < LONG_PAUSE * fps;
  });
}

function grouped(words, belongs) {
  const groups = [];
  for (const word of words) {
    const last = groups.at(-1);
    if (last && belongs(last, word)) last.push(word);
    else groups.push([word]);
  }
  return groups.map((all) => {
    const end = all.reduce((latest, word) => Math.max(latest, word.end), 0);
    return { start: all[0].start, end, speaker: all[0].speaker, words: all };
  });
}

/** Paragraphs, a page of them at a time; each page has `first` and `end`, places of words, half-open. */
export function pagesOf(paragraphs) {
  const pages = [];
  for (const paragraph of paragraphs) {
    const first = paragraph.words[0].place;
    const last = pages.at(-1);
    if (!last || last.end - last.first >= PAGE) pages.push({ first, end: first, paragraphs: [] });
    pages.at(-1).paragraphs.push(paragraph);
    pages.at(-1).end = first + paragraph.words.length;
  }
  return pages;
}

/** The text as it is searched: without accents, capitals and kinds of apostrophes. */
const folded = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").replaceAll("’", "'").toLowerCase();

/** Finds a text in words, over the ends of words too. */
export class Finder {
  constructor(words, space) {
    this.space = space;
    this.starts = [];
    let at = 0;
    const parts = words.map((word) => {
      const part = folded(word.text);
      this.starts.push(at);
      at += part.length + space.length;
      return part;
    });
    this.text = parts.join(space);
  }

  /** Where a text is said: places of words, half-open. @returns {{first: number, end: number}[]} */
  find(wish) {
    const sought = folded(wish.trim()).replace(/\s+/gu, this.space);
    const hits = [];
    if (!sought) return hits;
    for (let at = this.text.indexOf(sought); at >= 0; at = this.text.indexOf(sought, at + sought.length)) {
      hits.push({ first: this.place(at), end: this.place(at + sought.length - 1) + 1 });
    }
    return hits;
  }

  place(at) {
    let [low, high] = [0, this.starts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.starts[middle] <= at) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
