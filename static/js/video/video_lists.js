/** The lists beside the player: shots, turns and faces as tables, words as text. */
import { words } from "../words.js";
import { begun } from "./lane_shots.js";
import { List } from "./lists.js";
import { lastBegun } from "./paint.js";
import { Transcript } from "../said/transcript.js";

const seconds = (frames, clock) => (frames / clock.fps).toFixed(2);
const score = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

export class Lists {
  /**
   * @param {import("./tracks.js").Tracks} tracks
   * @param {import("./clock.js").Clock} clock
   * @param {(frame: number) => void} go
   */
  constructor(tracks, clock, go) {
    this.tracks = tracks;
    this.shots = new List(document.getElementById("panel-shots"), (shot, index) => [
      index + 1,
      shot.start + 1,
      shot.end,
      clock.timecode(shot.start),
      begun(shot),
    ]);
    this.turns = new List(document.getElementById("panel-turns"), (turn) => [
      turn.speaker,
      seconds(turn.from, clock),
      seconds(turn.to, clock),
      seconds(turn.to - turn.from, clock),
      score(turn.score),
    ]);
    this.faces = new List(document.getElementById("panel-faces"), (face) => [
      face.id,
      face.start + 1,
      face.last + 1,
      face.frames,
      `${Math.round((100 * face.speaking_frames) / face.frames)} %`,
    ]);
    this.words = new Transcript(document.getElementById("panel-words"), clock, go);
    this.tab = document.getElementById("tab-words");
  }

  fill() {
    const { shots, turns, identities } = this.tracks;
    if (this.shots.rows !== shots) this.shots.set(shots);
    if (this.from !== turns) {
      this.from = turns;
      const row = ({ start, end, ...rest }) => ({ ...rest, from: start, to: end, start: Math.floor(start + 1e-6) });
      this.turns.set(turns.map(row));
      this.words.draw(); // its colours are those of the turns
    }
    if (this.seen !== identities) {
      this.seen = identities;
      const inTime = [...identities].sort((one, other) => one.first - other.first);
      this.faces.set(inTime.map((one) => ({ ...one, start: one.first })));
    }
    this.words.set(this.tracks.words, this.tracks.language, (speaker) => this.tracks.signOf(speaker));
    this.showTab(this.tracks.words.length > 0);
    for (const [list, name] of [[this.shots, "shots"], [this.turns, "turns"], [this.faces, "faces"]]) {
      const empty = list.root.querySelector(".empty");
      empty.hidden = list.rows.length > 0;
      list.root.querySelector(".table-frame").hidden = !empty.hidden;
      empty.textContent = words[`none_${name}`];
    }
  }

  /** The tab of the words is there while there are words. */
  showTab(isThere) {
    this.tab.hidden = !isThere;
    const isChosen = this.tab.getAttribute("aria-selected") === "true";
    if (!isThere && isChosen) this.tab.parentElement.querySelector("[role=tab]").click();
  }

  /** Mark the rows that a frame is in, and the word that is said in it. */
  mark(frame) {
    this.shots.mark(lastBegun(this.shots.rows, frame));
    const turn = lastBegun(this.turns.rows, frame);
    this.words.mark(frame);
    this.turns.mark(turn >= 0 && this.turns.rows[turn].to > frame ? turn : -1);
  }
}
