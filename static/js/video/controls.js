/** The buttons and fields of the player and of the lanes; what each does comes from one table, as for the keys. */
import { filled, words } from "../words.js";

/** Milliseconds after which it is said that the player is still on its way. */
const SLOW_MS = 400;

export class Controls {
  /**
   * @param {HTMLElement} root the page
   * @param {import("./player.js").Player} player
   * @param {import("./clock.js").Clock} clock
   * @param {Record<string, () => void>} actions by the `data-do` of buttons
   */
  constructor(root, player, clock, actions) {
    this.player = player;
    this.clock = clock;
    this.seek = root.querySelector("#seek");
    this.field = root.querySelector("#go-to");
    this.rate = root.querySelector("#rate");
    this.volume = root.querySelector("#volume");
    this.mute = root.querySelector("[data-do=mute]");
    this.playing = root.querySelector("[data-do=play]");
    this.frame = root.querySelector("#frame-number");
    this.onItsWay = root.querySelector("#seek-note");
    this.timecode = root.querySelector("#timecode");
    root.addEventListener("click", ({ target }) => actions[target.closest("[data-do]")?.dataset.do]?.());
    this.seek.max = clock.frames;
    this.seek.addEventListener("input", () => player.go(Number(this.seek.value) - 1));
    this.field.form.addEventListener("submit", (event) => this.goTo(event));
    this.field.addEventListener("input", () => this.field.setCustomValidity(""));
    this.rate.addEventListener("change", () => this.setRate());
    this.volume.addEventListener("input", () => this.setVolume());
    player.addEventListener("state", () => this.state());
    this.state();
  }

  goTo(event) {
    event.preventDefault();
    const frame = this.clock.parse(this.field.value);
    this.field.setCustomValidity(frame === null ? words.no_such_frame : "");
    if (frame === null) {
      this.field.reportValidity();
      return;
    }
    this.player.go(frame);
    this.field.value = "";
    this.field.blur();
  }

  setRate() {
    this.player.video.defaultPlaybackRate = Number(this.rate.value);
    this.player.video.playbackRate = Number(this.rate.value);
  }

  setVolume() {
    this.player.video.volume = Number(this.volume.value);
    this.player.video.muted = false;
  }

  state() {
    const { video, playing, back } = this.player;
    const isGoing = playing || Boolean(back);
    this.playing.setAttribute("aria-label", isGoing ? words.pause : words.play);
    this.playing.querySelector("[data-icon=play]").hidden = isGoing;
    this.playing.querySelector("[data-icon=pause]").hidden = !isGoing;
    this.mute.setAttribute("aria-pressed", String(video.muted));
    this.volume.value = video.muted ? 0 : video.volume;
    const said = back ? `-${back.rate}` : String(video.playbackRate);
    if ([...this.rate.options].some((option) => option.value === said)) this.rate.value = said;
    this.frame.dataset.going = back ? `◀ ${back.rate}×` : "";
  }

  /** Show which frame the picture is; a place that is only sought shows on the slider alone. */
  show() {
    const { shown, position } = this.player;
    this.seek.value = position + 1;
    this.seek.setAttribute("aria-valuetext", this.clock.timecode(position));
    this.sayOnItsWay();
    if (shown === null) return;
    this.frame.textContent = (shown + 1).toLocaleString(document.documentElement.lang);
    this.frame.dataset.frame = shown + 1;
    this.timecode.textContent = this.clock.timecode(shown);
    this.frame.classList.toggle("is-seeking", shown !== position);
  }

  /** Say where the player goes, when that takes a while. */
  sayOnItsWay() {
    const { target } = this.player;
    if (target === null) {
      clearTimeout(this.slow);
      this.slow = null;
      this.onItsWay.hidden = true;
      return;
    }
    this.onItsWay.textContent = filled(words.going_to, { frame: target + 1 });
    this.slow ??= setTimeout(() => (this.onItsWay.hidden = false), SLOW_MS);
  }
}
