/** The page of a video: puts its parts together, and keeps them on the same frame. */
import { filled, words } from "../words.js";
import { keep, read } from "./address.js";
import { Axis } from "./axis.js";
import { Boxes } from "./boxes.js";
import { Clock } from "./clock.js";
import { onColours } from "./colours.js";
import { Compare } from "./compare.js";
import { Controls } from "./controls.js";
import { Gestures } from "./gestures.js";
import { listen } from "./keys.js";
import { RulerLane } from "./lane_ruler.js";
import { Lists } from "./video_lists.js";
import { tabs } from "./lists.js";
import { Meter } from "./meter.js";
import { Now } from "./now.js";
import { Overlay } from "./overlay.js";
import { Overview } from "./overview.js";
import { lastBegun } from "./paint.js";
import { Player } from "./player.js";
import { Source } from "./source.js";
import { Thumbs } from "./thumbs.js";
import { Timeline } from "./timeline.js";
import { Tracks } from "./tracks.js";

const THUMB_HEIGHT = 54;
const AGAIN_MS = 1000;
const find = (selector) => document.querySelector(selector);

class Page {
  /** @param {object} config what the server wrote into the page  @param {Source} source  @param {object} view */
  constructor(config, source, view) {
    this.config = config;
    this.source = source;
    this.clock = new Clock(view.fps, view.frames);
    this.axis = new Axis(view.frames);
    this.player = new Player(find("#picture"), this.clock);
    this.timeline = new Timeline(find("#lanes"), this.axis);
    this.meter = new Meter(find("#measured"), this.timeline);
    this.thumbs = new Thumbs(source, THUMB_HEIGHT, view.width / view.height);
    this.tracks = new Tracks(source, this.timeline, this.clock, this.thumbs);
    this.overlay = new Overlay(find("#overlay"), find("#overlay-note"), view);
    this.overview = new Overview(find("#overview"), this.axis, this.clock);
    this.now = new Now(find("#now"), this.tracks);
    this.lists = new Lists(this.tracks, this.clock, (frame) => this.player.go(frame));
    this.compare = new Compare(find("#panel-compare"), this.tracks, this.clock);
    this.boxes = new Boxes(source, view.frames);
    this.follows = true;
    const actions = this.actions();
    this.controls = new Controls(find("#video-page"), this.player, this.clock, actions);
    this.gestures = new Gestures(find("#lanes"), this.timeline, (frame) => this.player.go(frame), find("#lane-hint"));
    listen(this.keys(actions), find("#keys-on"));
    this.wire();
  }

  wire() {
    const { player, timeline, thumbs, tracks } = this;
    player.addEventListener("frame", () => this.onFrame());
    player.addEventListener("seek", () => this.onSeek());
    player.addEventListener("state", () => this.controls.show());
    tracks.addEventListener("change", () => this.onTracks());
    this.onBoxes();
    timeline.addEventListener("before", () => thumbs.begin());
    timeline.addEventListener("draw", () => thumbs.ask());
    thumbs.addEventListener("change", () => timeline.redraw());
    this.source.addEventListener("preparing", () => this.showPreparing());
    this.source.addEventListener("troubles", () => this.showTroubles());
    player.video.addEventListener("error", () => player.video.src && tell(find("#stage-said"), words.cannot_play));
    onColours(() => this.redraw());
    document.addEventListener("click", (event) => this.onLink(event));
    addEventListener("hashchange", () => this.player.go(read().frame ?? this.player.position));
    for (const box of document.querySelectorAll("[data-overlay]")) {
      box.addEventListener("change", () => {
        this.overlay.shows[box.dataset.overlay] = box.checked;
        this.overlay.draw();
      });
    }
    timeline.set("ruler", new RulerLane(this.clock));
  }

  actions() {
    const { player, axis, clock } = this;
    const to = (frame) => frame !== null && player.go(frame);
    return {
      play: () => player.toggle(),
      back: () => player.backward(),
      hold: () => player.pause(),
      forward: () => player.forward(),
      frame_back: () => player.move(-1),
      frame_on: () => player.move(1),
      second_back: () => player.move(-Math.round(clock.fps)),
      second_on: () => player.move(Math.round(clock.fps)),
      shot_back: () => player.go(this.shotBeside(-1)),
      shot_on: () => player.go(this.shotBeside(1)),
      first: () => player.go(0),
      last: () => player.go(clock.frames - 1),
      nearer: () => axis.zoom(1.6, this.center()),
      farther: () => axis.zoom(1 / 1.6, this.center()),
      fit: () => axis.fit(),
      follow: () => this.follow(!this.follows),
      difference_back: () => to(this.compare.beside(player.position, -1)),
      difference_on: () => to(this.compare.beside(player.position, 1)),
      mute: () => (player.video.muted = !player.video.muted),
      full: () => this.full(),
      go: () => find("#go-to").focus(),
      help: () => find("#keys").showModal(),
    };
  }

  keys(does) {
    const same = { " ": "play", k: "hold", j: "back", l: "forward", ",": "frame_back", ".": "frame_on" };
    const arrows = { ArrowLeft: "frame_back", ArrowRight: "frame_on", ArrowUp: "shot_back", ArrowDown: "shot_on" };
    const far = { "Shift+ArrowLeft": "second_back", "Shift+ArrowRight": "second_on", Home: "first", End: "last" };
    const lanes = { "+": "nearer", "=": "nearer", "-": "farther", 0: "fit", c: "follow" };
    const rest = { n: "difference_on", p: "difference_back", m: "mute", f: "full", g: "go", "?": "help" };
    const all = Object.entries({ ...same, ...arrows, ...far, ...lanes, ...rest });
    return Object.fromEntries(all.map(([key, name]) => [key, does[name]]));
  }

  /** What a zoom keeps in place: the playhead where it is seen. */
  center() {
    const { position } = this.player;
    const isSeen = position >= this.axis.start && position < this.axis.end;
    return isSeen ? position : (this.axis.start + this.axis.end) / 2;
  }

  shotBeside(way) {
    const { shots } = this.tracks;
    const { position } = this.player;
    const index = lastBegun(shots, position);
    if (way > 0) return shots[index + 1]?.start ?? this.clock.frames - 1;
    return (shots[index]?.start === position ? shots[index - 1]?.start : shots[index]?.start) ?? 0;
  }

  follow(wanted) {
    this.follows = wanted;
    find("[data-do=follow]").setAttribute("aria-pressed", String(wanted));
    if (wanted) this.axis.reveal(this.player.position);
  }

  full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else find("#stage").requestFullscreen();
  }

  onFrame() {
    this.drawBoxes();
    this.onPosition();
    this.meter.reached("picture");
  }

  onSeek() {
    this.onPosition();
    if (this.follows) this.axis.reveal(this.player.position);
  }

  onPosition() {
    const { position, playing } = this.player;
    this.timeline.point(position);
    this.overview.point(position);
    this.controls.show();
    this.lists.mark(position);
    if (playing && this.follows) this.axis.reveal(position);
    if (!playing) keep("frame", position + 1);
  }

  /** Draw what is in the frame that the picture shows; nothing as long as that is not known. */
  drawBoxes() {
    const { shown, playing } = this.player;
    if (shown === null) return;
    const hasFaces = this.tracks.view?.available.faces;
    const boxes = hasFaces ? this.boxes.of(shown, playing) : [];
    this.overlay.show(shown, boxes);
    this.now.show(shown, boxes, playing);
  }

  onBoxes() {
    this.boxes.addEventListener("change", () => this.drawBoxes());
  }

  onTracks() {
    this.drawBoxes();
    this.lists.fill();
    this.lists.mark(this.player.position);
    this.timeline.redraw();
  }

  onLink(event) {
    const link = event.target.closest('a[href^="#frame="]');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.player.go(Number(link.hash.slice("#frame=".length)) - 1);
  }

  redraw() {
    this.overlay.draw();
    this.timeline.redraw();
  }

  showPreparing() {
    const all = [...this.source.preparing.values()];
    const place = find("#preparing");
    place.hidden = !all.length;
    if (!all.length) return;
    const [{ what, share = 0 }] = all;
    place.querySelector("span").textContent = filled(words.preparing_what, { what: words[`making_${what}`] ?? what });
    place.querySelector("progress").value = share;
  }

  /** Say what cannot be had or trusted; parts of lanes are asked for again by themselves. */
  showTroubles() {
    const what = (name) => words[`making_${name}`] ?? name;
    const missing = [...this.source.troubles].map(([path, why]) => filled(words.problem, { what: what(path), why }));
    const doubts = Object.entries(this.tracks.view?.problems ?? {}).map(([kind, why]) => `${what(kind)}: ${why}`);
    tell(find("#problem"), [...missing, ...doubts].join(" "));
  }

  /** Show what there is now: at first, and whenever a step has left something new. */
  async fill(view) {
    this.boxes = new Boxes(this.source, this.clock.frames);
    this.onBoxes();
    await this.tracks.fill(view);
    this.meter.reached("lanes");
    this.showTroubles();
    this.compare.offer(view, read().compare);
    if (view.preparing) this.complete();
  }

  /** Ask for speakers and identities until the server has read all. */
  async complete() {
    let view;
    do {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      view = await this.source.json("");
      this.source.note("preparing", "", view.preparing);
    } while (view.preparing);
    await this.tracks.fill(view);
  }

  async play() {
    try {
      const found = await this.source.playback();
      this.thumbs.version = found.version;
      this.player.video.src = found.url;
      this.player.go(read().frame ?? 0);
      find("#proxy").hidden = found.kind !== "proxy";
    } catch (error) {
      tell(find("#stage-said"), [error.message, error.hint].filter(Boolean).join(" "));
    }
    this.timeline.redraw();
  }

  async wave() {
    const { peaks, has_sound: hasSound } = await this.source.json("peaks", this.overview.asked);
    if (!hasSound || !peaks.length) return;
    const { default: WaveSurfer } = await import(this.config.wavesurfer);
    this.overview.wave(WaveSurfer, peaks, this.config.nonce);
  }
}

function tell(place, text) {
  place.hidden = !text;
  place.textContent = text;
}

async function begin() {
  const config = JSON.parse(find("#video-config").textContent);
  const source = new Source(config.view);
  tabs(find("#tabs"));
  if (!("requestVideoFrameCallback" in HTMLVideoElement.prototype && "VideoFrame" in window)) {
    tell(find("#stage-said"), words.old_browser);
    return;
  }
  const view = await source.json("");
  if (!view.frames || !view.width) {
    tell(find("#stage-said"), words.not_measured);
    find("#video-page").classList.add("is-unmeasured");
    return;
  }
  const page = new Page(config, source, view);
  page.play();
  page.fill(view);
  page.wave().catch(() => page.showTroubles());
  let known = find("#results [data-version]").dataset.version;
  document.addEventListener("htmx:afterSettle", async () => {
    const { version } = find("#results [data-version]").dataset;
    if (version === known) return;
    known = version;
    const changed = await source.json("");
    if (changed.frames !== view.frames || changed.fps !== view.fps) location.reload();
    else page.fill(changed);
  });
}

begin().catch((error) => tell(find("#stage-said"), error.message));
