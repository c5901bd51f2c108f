/** Loads what the steps found and gives it to the lanes; says in a lane why there is nothing. */
import { filled, words } from "../words.js";
import { colours, nth } from "./colours.js";
import { byIdentity, FacesLane, ROW as FACE_ROW } from "./lane_faces.js";
import { ScoresLane } from "./lane_scores.js";
import { ShotsLane } from "./lane_shots.js";
import { SoundLane } from "./lane_sound.js";
import { ROW as SPEAKER_ROW, SpeakersLane } from "./lane_speakers.js";
import { WordsLane } from "./lane_words.js";
import { between, inFrames } from "../said/phrases.js";
import { Tiles } from "./tiles.js";

/** The sound is known to 2 ms: this many halvings of a frame. */
const FINEST_SOUND = -4;

/** Milliseconds after which what could not be had is asked for again. */
const AGAIN_MS = 5000;

/** The lanes that show a step's result. */
export const LANES = { STEP3: ["shots", "scores"], STEP4: ["sound", "speakers"], STEP5: ["faces"] };
const LANE_OF = { STEP3: "shots", STEP4: "speakers", STEP5: "faces" };

/** Tells `change` when more is known. */
export class Tracks extends EventTarget {
  constructor(source, timeline, clock, thumbs) {
    super();
    Object.assign(this, { source, timeline, clock, thumbs });
    this.shots = [];
    this.turns = [];
    this.speech = [];
    this.words = [];
    this.language = "";
    /** What is known of this result; of nothing else anything is said. */
    this.known = new Set();
    this.identities = [];
  }

  /** Show what there is now, as the server sees it at first sight. */
  async fill(view) {
    this.view = view;
    this.known.clear();
    if (!view.available.shots) this.shots = [];
    if (!view.available.turns) [this.turns, this.speech] = [[], []];
    if (!view.available.words) this.words = [];
    this.identities = view.identities;
    this.state("STEP3", ["shots", "scores"], view.problems.shots);
    this.state("STEP4", ["sound", "speakers"], view.problems.sound);
    this.state("STEP4B", ["words"], view.problems.words);
    this.state("STEP5", ["faces"], view.problems.faces);
    this.fillFaces();
    await Promise.all([this.fillShots(), this.fillSound(), this.fillWords()]);
  }

  async fillShots() {
    const { available, steps } = this.view;
    const threshold = steps.STEP3?.parameters?.threshold?.value ?? null;
    if (!available.shots) this.say("STEP3", "shots");
    else if (await this.tryTo("shots", () => this.fillShots(), async () => (this.shots = await this.loadShots()))) {
      this.timeline.set("shots", new ShotsLane(this.shots, this.thumbs));
    }
    if (available.scores) this.timeline.set("scores", new ScoresLane(this.tiles("scores"), threshold));
    else this.timeline.hide("scores");
    this.dispatchEvent(new Event("change"));
  }

  async fillSound() {
    const { available, has_sound: hasSound } = this.view;
    const wave = this.tiles("peaks", FINEST_SOUND);
    const show = () => this.timeline.set("sound", new SoundLane(wave, this.speech, this.clock));
    if (hasSound) show();
    else this.timeline.say("sound", words.no_sound);
    if (!available.turns) this.say("STEP4", "speakers");
    else if (await this.tryTo("speakers", () => this.fillSound(), () => this.takeTurns())) {
      if (hasSound) show();
      if (this.turns.length) this.speakersLane("speakers", this.turns);
      else this.timeline.say("speakers", words.nobody_speaks);
    }
    this.dispatchEvent(new Event("change"));
  }

  async takeTurns() {
    const { turns, speech } = await this.loadTurns();
    this.turns = turns;
    this.speech = speech;
  }

  /** Words are there only where a transcript is; nobody has to have one made. */
  async fillWords() {
    if (!this.view.available.words) this.timeline.hide("words");
    else if (await this.tryTo("words", () => this.fillWords(), () => this.takeWords())) {
      const colour = (speaker) => this.colourOf(speaker);
      const lane = new WordsLane(this.words, between(this.language), colour, this.clock);
      if (this.words.length) this.timeline.set("words", lane);
      else this.timeline.say("words", words.no_words);
    }
    this.dispatchEvent(new Event("change"));
  }

  async takeWords() {
    const found = await this.source.json("words");
    this.language = found.language;
    this.words = inFrames(found.words, this.clock.fps);
  }

  /** The number of a speaker's colour, the same as in the lane of the speakers; -1: a speaker who is not known. */
  numberOf(speaker) {
    const said = this.turns.length ? this.turns : this.words;
    if (this.labelled !== said) {
      this.labelled = said;
      this.labels = [...new Set(said.map((one) => one.speaker))].filter((one) => one !== null).sort();
    }
    return this.labels.indexOf(speaker);
  }

  colourOf(speaker) {
    const number = this.numberOf(speaker);
    return number < 0 ? colours.idle : nth(colours.speakers, number);
  }

  /** The same colour for a style sheet. */
  signOf(speaker) {
    const number = this.numberOf(speaker);
    return number < 0 ? "var(--idle)" : `var(--speaker-${number % colours.speakers.length})`;
  }

  fillFaces() {
    if (!this.view.available.faces) this.say("STEP5", "faces");
    else if (this.identities.length) this.facesLane("faces");
    else if (!this.view.preparing) this.timeline.say("faces", words.no_faces);
    else this.timeline.say("faces", words.preparing);
    this.dispatchEvent(new Event("change"));
  }

  async loadShots(of) {
    return (await this.source.json("shots", { of })).shots;
  }

  /** Turns and speech in frames, which may be parts of one. */
  async loadTurns(of) {
    const found = await this.source.json("turns", { of });
    const { fps } = this.clock;
    const turns = found.turns.map((turn) => ({ ...turn, start: turn.start * fps, end: turn.end * fps }));
    const speech = found.speech.map(([start, end]) => ({ start: start * fps, end: end * fps }));
    return { turns, speech };
  }

  tiles(path, finest = 0, of = undefined) {
    const { fps } = this.clock;
    const load = (start, end, points) => {
      const range = path === "peaks" ? { start: start / fps, end: end / fps } : { start, end };
      return this.source.json(path, { ...range, points, of });
    };
    const read = path === "faces" ? async (...asked) => byIdentity(await load(...asked)) : load;
    const tiles = new Tiles(read, this.clock.frames, finest);
    tiles.addEventListener("change", () => this.timeline.redraw());
    return tiles;
  }

  /** Show an earlier result of a step under the present one. */
  async compare(step, of) {
    this.compareNothing();
    if (step === "STEP3") this.timeline.set("shots_then", new ShotsLane(await this.loadShots(of), null));
    if (step === "STEP4") this.speakersLane("speakers_then", (await this.loadTurns(of)).turns);
    if (step === "STEP5") this.facesLane("faces_then", of);
  }

  compareNothing() {
    for (const lane of Object.values(LANE_OF)) this.timeline.hide(`${lane}_then`);
  }

  speakersLane(name, turns) {
    const labels = [...new Set(turns.map((turn) => turn.speaker))].sort();
    this.names(name, new SpeakersLane(turns, labels, this.clock), SPEAKER_ROW);
  }

  facesLane(name, of) {
    const lane = new FacesLane(this.tiles("faces", 0, of), () => this.names(name, lane, FACE_ROW));
    this.names(name, lane, FACE_ROW);
    const more = this.timeline.root.querySelector(`.lane[data-lane="${name}"] .lane-more`);
    more.setAttribute("aria-expanded", "false");
    more.onclick = () => {
      lane.all = !lane.all;
      more.setAttribute("aria-expanded", String(lane.all));
      this.timeline.redraw();
    };
  }

  /** Put a lane with rows in its place, and their names beside it. */
  names(name, lane, high) {
    this.timeline.set(name, lane);
    const list = this.timeline.root.querySelector(`.lane[data-lane="${name}"] .lane-rows`);
    list.replaceChildren(
      ...lane.names.map((text, index) => {
        const row = document.createElement("li");
        row.textContent = text;
        row.title = text;
        row.style.height = `${high}px`;
        row.style.setProperty("--row", lane.colour(index));
        return row;
      }),
    );
  }

  /** Say at the lanes of a step that what they show is not to be trusted, and why. */
  state(step, lanes, problem) {
    const { state = "pending", message = "" } = this.view.steps[step] ?? {};
    const isGood = (state === "succeeded" || state === "pending") && !problem;
    for (const name of lanes) {
      const place = this.timeline.root.querySelector(`.lane[data-lane="${name}"] .lane-state`);
      place.hidden = isGood;
      place.textContent = words[`state_${problem && state === "succeeded" ? "problem" : state}`];
      place.title = [message, problem].filter(Boolean).join(" ");
      place.dataset.state = state;
    }
  }

  say(step, name) {
    const { state = "pending", message = "" } = this.view.steps[step] ?? {};
    const problem = this.view.problems[{ shots: "shots", speakers: "sound", faces: "faces" }[name]];
    const text = filled(words[state === "failed" ? "step_failed" : "step_pending"], { step: words[`step_${step}`] });
    this.timeline.say(name, [text, problem ?? message].filter(Boolean).join(" "));
  }

  /** Load what a lane shows; when it cannot be had, say why and try again later. */
  async tryTo(name, again, load) {
    const { view } = this;
    try {
      await load();
      this.known.add(name);
      return true;
    } catch (error) {
      this.timeline.say(name, error.message);
      setTimeout(() => view === this.view && again(), AGAIN_MS);
      return false;
    }
  }
}
