/** Puts an earlier result of a step under the present one, and leads from difference to difference. */
import { moment } from "../shown.js";
import { filled, words } from "../words.js";
import { keep } from "./address.js";
import { List } from "./lists.js";
import { LANES } from "./tracks.js";

const THEN = { STEP3: "shots_then", STEP4: "speakers_then", STEP5: "faces_then" };

export class Compare {
  /**
   * @param {HTMLElement} root the panel
   * @param {import("./tracks.js").Tracks} tracks
   * @param {import("./clock.js").Clock} clock
   */
  constructor(root, tracks, clock) {
    this.root = root;
    this.tracks = tracks;
    this.choice = root.querySelector("select");
    this.figures = root.querySelector("[data-figures]");
    this.said = root.querySelector("[data-said]");
    this.differences = [];
    const cells = (one) => [one.start + 1, one.end, clock.timecode(one.start), words[`differs_${one.kind}`] ?? one.kind];
    this.list = new List(root.querySelector("[data-list]"), cells);
    this.choice.addEventListener("change", () => this.show(this.choice.value));
  }

  /** Offer the earlier results that there are; `wanted` is shown at once. */
  offer(view, wanted) {
    const chosen = wanted ? `${wanted.step}:${wanted.of}` : this.choice.value;
    const nothing = new Option(words.compare_nothing, "");
    const groups = Object.entries(view.earlier).filter(([, all]) => all.length);
    this.choice.replaceChildren(nothing, ...groups.map(([step, all]) => group(step, all)));
    this.root.querySelector("[data-none]").hidden = groups.length > 0;
    this.root.querySelector("[data-choice]").hidden = groups.length === 0;
    const isThere = [...this.choice.options].some((option) => option.value === chosen);
    this.choice.value = isThere ? chosen : "";
    if (isThere && chosen) this.show(chosen);
  }

  async show(chosen) {
    const [step, of] = chosen.split(":");
    keep("compare", chosen || null);
    for (const names of Object.values(LANES)) this.tracks.timeline.mark(names, []);
    this.take({ figures: [], differences: [] }, "");
    this.tracks.compareNothing();
    if (!chosen) return;
    this.said.textContent = words.preparing;
    try {
      const found = await this.tracks.source.json("compare", { step, of });
      await this.tracks.compare(step, of);
      if (this.choice.value !== chosen) return;
      this.take(found, summary(found));
      this.tracks.timeline.mark([...LANES[step], THEN[step]], found.differences);
    } catch (error) {
      this.said.textContent = error.message;
    }
  }

  take(found, said) {
    this.differences = found.differences;
    this.said.textContent = said;
    this.list.set(found.differences);
    this.root.querySelector("[data-found]").hidden = !found.figures.length;
    this.figures.replaceChildren(...found.figures.map(figure));
  }

  /** The frame of the difference before (-1) or after (1) a frame; null where there is none. */
  beside(frame, way) {
    const all = this.differences.map((one) => one.start);
    return (way > 0 ? all.find((start) => start > frame) : all.findLast((start) => start < frame)) ?? null;
  }
}

function group(step, results) {
  const made = document.createElement("optgroup");
  made.label = words[`step_${step}`];
  made.append(...results.map((one) => new Option(told(one), `${step}:${one.key}`)));
  return made;
}

function told({ finished, device, state, changed }) {
  const parts = [moment(finished), device, words[`state_${state}`] ?? state];
  for (const [name, [then, now]] of Object.entries(changed)) parts.push(`${name}: ${then} → ${now}`);
  return parts.filter(Boolean).join(" · ");
}

function figure({ name, now, then }) {
  const row = document.createElement("tr");
  const cells = [words[`figure_${name}`] ?? name, number(now), number(then), number(now - then, true)];
  row.append(
    ...cells.map((text, place) => {
      const cell = document.createElement(place ? "td" : "th");
      cell.textContent = text;
      if (place) cell.className = "number";
      else cell.scope = "row";
      return cell;
    }),
  );
  return row;
}

function number(value, signed = false) {
  const form = { maximumFractionDigits: 2, signDisplay: signed ? "exceptZero" : "auto" };
  return new Intl.NumberFormat(document.documentElement.lang, form).format(value);
}

function summary({ agreement, differing_seconds: seconds, differences }) {
  const share = `${(Math.floor(agreement * 10000) / 100).toFixed(2)} %`;
  const said = filled(words.agreement, { share, n: differences.length });
  return seconds === null ? said : `${said} ${filled(words.differs_for, { seconds: seconds.toFixed(2) })}`;
}
