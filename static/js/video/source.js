/** What the server knows of the video: JSON by range, asked again while it is still being prepared. */

const AGAIN_MS = 700;

/** Raised when the server refuses; `message` is its sentence. */
export class Refused extends Error {
  constructor(message, hint) {
    super(message);
    this.hint = hint;
  }
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Tells `preparing` when something else is being prepared, `troubles` when something else cannot be had.
 *
 * `preparing` and `troubles` are by path: `{what, share}`, and sentences.
 */
export class Source extends EventTarget {
  /** @param {string} base the address that ranges are under */
  constructor(base) {
    super();
    this.base = base;
    this.preparing = new Map();
    this.troubles = new Map();
  }

  address(path, query = {}) {
    const known = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
    const asked = new URLSearchParams(known).toString();
    return this.base + (path ? `/${path}` : "") + (asked ? `?${asked}` : "");
  }

  /**
   * A JSON answer; waits for as long as the server prepares it.
   * @throws {Error} the server says no, or nothing
   */
  async json(path, query) {
    try {
      const found = await this.ask(path, query);
      this.note("troubles", path, null);
      return found;
    } catch (error) {
      this.note("preparing", path, null);
      this.note("troubles", path, error.message);
      throw error;
    }
  }

  async ask(path, query) {
    for (;;) {
      const answer = await fetch(this.address(path, query), { headers: { Accept: "application/json" } });
      const body = await answer.json().catch(() => ({}));
      if (!answer.ok) throw new Refused(body.error?.message ?? `HTTP ${answer.status}`, body.error?.hint ?? "");
      const waiting = answer.status === 202 ? (body.preparing ?? body) : null;
      this.note("preparing", path, waiting);
      if (!waiting) return body;
      await pause(AGAIN_MS);
    }
  }

  /** How to play the video, as soon as it can be played. */
  async playback() {
    for (;;) {
      const found = await this.json("playback", {});
      this.note("preparing", "playback", found.ready ? null : { what: "video", share: found.share });
      if (found.ready) return found;
      await pause(AGAIN_MS);
    }
  }

  /** A picture of one frame, or null while it is being made. @returns {Promise<ImageBitmap|null>} */
  async picture(frame, height, version) {
    const answer = await fetch(this.address(`thumb/${frame}.jpg`, { height, v: version }));
    if (answer.status === 202 || answer.status === 503) return null;
    if (!answer.ok) throw new Refused(`HTTP ${answer.status}`, "");
    return createImageBitmap(await answer.blob());
  }

  note(kind, path, said) {
    const before = this[kind].get(path) ?? null;
    if (JSON.stringify(before) === JSON.stringify(said)) return;
    if (said) this[kind].set(path, said);
    else this[kind].delete(path);
    this.dispatchEvent(new Event(kind));
  }
}
