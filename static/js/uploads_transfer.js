/** Sending one file in pieces: taken up where it stopped, tried again by itself, paused and cancelled. */

const SMALLEST = 256 * 1024;
const PIECE_MS = 1000;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15000;

/** A refusal in the server's words; another try of the same does not help. */
export class Refused extends Error {}

async function ask(address, options) {
  const answer = await fetch(address, options);
  if (answer.status >= 502 && answer.status <= 504) throw new TypeError(answer.statusText);
  const told = answer.status === 204 ? {} : await answer.json();
  return { status: answer.status, told, error: told.error };
}

function words({ error, status }) {
  return [error?.message ?? String(status), error?.hint].filter(Boolean).join(" ");
}

/**
 * One file on its way. `changed` is called whenever `state`, `offset`, `rate` or `said` is another:
 * waiting, sending, paused, retrying, not_taken, unreadable, refused, whole (waits for the others of its project), stored.
 */
export class Transfer {
  /**
   * @param {File} file
   * @param {object} fields what else is announced; `project` is the one that it and others become together
   * @param {{address: string, largest: number}} target where it goes, and the bytes of the largest piece
   * @param {function(Transfer): void} changed
   */
  constructor(file, fields, target, changed) {
    Object.assign(this, { file, fields, ...target, changed, id: null, offset: 0, state: "waiting", rate: 0, said: "" });
    this.project = fields.project ?? "";
    this.piece = Math.min(SMALLEST, this.largest);
    this.turn = 0;
  }

  get name() {
    return this.project ? `${this.project} / ${this.file.name}` : this.file.name;
  }

  get over() {
    return ["stored", "refused", "not_taken", "unreadable", "whole"].includes(this.state);
  }

  tell(state, said = "") {
    Object.assign(this, { state, said });
    this.changed(this);
  }

  /** Announce the file; the server says how much of it is there already. */
  async announce() {
    const { name, size, lastModified: modified } = this.file;
    const body = JSON.stringify({ name, size, modified, ...this.fields });
    const answer = await ask(this.address, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    if (answer.error) throw new Refused(words(answer));
    this.take(answer.told);
  }

  /** Ask how far it is; where the server knows nothing of it, it is announced again. */
  async refresh() {
    const answer = await ask(`${this.address}/${this.id}`);
    this.unsure = false;
    if (answer.status === 404) this.id = null;
    else if (answer.error) throw new Refused(words(answer));
    else this.take(answer.told);
  }

  take(told) {
    this.id = told.id;
    this.offset = told.offset;
    this.stored = told.stored_as;
    this.isWhole = told.whole;
  }

  /** Send until it is whole, paused, refused or cancelled. */
  async run() {
    this.turn += 1;
    const turn = this.turn;
    let wait = FIRST_WAIT_MS;
    this.tell("sending");
    while (turn === this.turn) {
      try {
        if (this.unsure && this.id !== null) await this.refresh();
        if (this.id === null) await this.announce();
        if (this.stored || this.isWhole) return this.tell(this.stored ? "stored" : "whole", this.stored);
        if (turn !== this.turn) return undefined;
        await this.sendPiece();
        wait = FIRST_WAIT_MS;
        if (turn === this.turn) this.tell("sending");
      } catch (error) {
        if (turn !== this.turn) return undefined;
        if (error instanceof Refused) return this.tell("refused", error.message);
        if (error.name === "NotReadableError" || error.name === "NotFoundError") return this.tell("unreadable");
        this.tell("retrying");
        await this.patience(wait);
        wait = Math.min(wait * 2, LONGEST_WAIT_MS);
        this.unsure = true; // the last piece may have come after all
      }
    }
    return undefined;
  }

  async sendPiece() {
    const body = await this.file.slice(this.offset, this.offset + this.piece).arrayBuffer();
    const began = performance.now();
    this.abort = new AbortController();
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(this.offset) };
    const answer = await ask(`${this.address}/${this.id}`, { method: "PATCH", headers, body, signal: this.abort.signal });
    if (answer.status === 409 || answer.status === 404) await this.refresh(); // another tab sends or cancelled it
    else if (answer.error) throw new Refused(words(answer));
    else {
      const took = Math.max(performance.now() - began, 1);
      const now = (1000 * body.byteLength) / took;
      this.rate = this.rate ? 0.7 * this.rate + 0.3 * now : now;
      this.piece = Math.round(Math.min(this.largest, Math.max(SMALLEST, Math.min(2 * this.piece, (now * PIECE_MS) / 1000))));
      this.take(answer.told);
    }
  }

  patience(ms) {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        removeEventListener("online", go);
        resolve();
      };
      const timer = setTimeout(go, ms);
      addEventListener("online", go);
    });
  }

  pause() {
    this.turn += 1;
    this.abort?.abort();
    this.tell("paused");
  }

  /** Stop, and let the server forget what has come. */
  async cancel() {
    this.turn += 1;
    this.abort?.abort();
    if (this.id !== null) await forget(this.address, this.id);
  }
}

/** Let the server forget an upload. */
export async function forget(address, id) {
  const answer = await ask(`${address}/${id}`, { method: "DELETE" });
  if (answer.error && answer.status !== 404) throw new Refused(words(answer));
}

/** The uploads that the server knows and that have not come yet. */
export async function unfinished(address) {
  return (await ask(address)).told.uploads ?? [];
}
