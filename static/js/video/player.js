/**
 * Plays the video, exact to the frame.
 *
 * `shown` is the frame whose picture is on the screen, as the browser tells it for the picture itself: never what it
 * should be by now. `position` is where the player is going while it seeks.
 */

const RATES = [1, 2, 4];
const STEP_MS = 60;
/** Milliseconds after a seek or a stop in which the picture comes. */
const SETTLED_MS = [20, 80, 250];

/** Tells `frame` for every picture shown, `state` when it plays or pauses, `seek` when it goes somewhere. */
export class Player extends EventTarget {
  /** @param {HTMLVideoElement} video  @param {import("./clock.js").Clock} clock */
  constructor(video, clock) {
    super();
    this.video = video;
    this.clock = clock;
    this.shown = null;
    this.target = null;
    this.seeking = null;
    this.back = null;
    video.addEventListener("seeked", () => this.arrived());
    video.addEventListener("pause", () => this.rest());
    video.addEventListener("loadedmetadata", () => this.seek());
    for (const kind of ["play", "pause", "ratechange", "volumechange", "ended"]) {
      video.addEventListener(kind, () => this.tell("state"));
    }
    this.listen();
  }

  get position() {
    return this.target ?? this.shown ?? 0;
  }

  get playing() {
    return !this.video.paused && !this.video.ended;
  }

  listen() {
    this.video.requestVideoFrameCallback((now, picture) => {
      this.show(picture.mediaTime);
      this.listen();
    });
  }

  /** Take over which picture is on the screen. */
  show(seconds) {
    this.shown = this.clock.ofPicture(seconds);
    if (this.shown === this.target || (this.playing && this.seeking === null)) this.target = null;
    this.tell("frame");
  }

  /** Ask the picture itself which it is: browsers may forget to tell of one that follows another within a moment. */
  look() {
    if (this.video.readyState < 2) return;
    const picture = new VideoFrame(this.video);
    const seconds = picture.timestamp / 1e6;
    picture.close();
    if (this.clock.ofPicture(seconds) !== this.shown) this.show(seconds);
  }

  /** Show a frame; while the player is on its way the last wish counts. */
  go(frame) {
    this.stopBack();
    this.head(frame);
  }

  head(frame) {
    this.target = this.clock.within(frame);
    this.tell("seek");
    this.seek();
  }

  move(frames) {
    this.go(this.position + frames);
  }

  seek() {
    if (this.target === null || this.seeking !== null || this.video.readyState < 1) return;
    if (this.target === this.shown && !this.playing) {
      this.target = null;
      this.tell("seek");
      return;
    }
    this.seeking = this.target;
    this.video.currentTime = this.clock.middle(this.target);
  }

  arrived() {
    const there = this.seeking === this.target || this.target === null;
    this.seeking = null;
    if (!there) this.seek();
    else this.rest();
  }

  rest() {
    for (const wait of SETTLED_MS) setTimeout(() => this.settle(wait), wait);
  }

  /** At rest: say where we are, even if it is not where we wanted to be. */
  settle(waited) {
    if (this.seeking !== null) return;
    this.look();
    if (waited < SETTLED_MS.at(-1) || this.target === null) return;
    this.target = null;
    this.tell("seek");
  }

  toggle() {
    if (this.playing || this.back) this.pause();
    else this.play();
  }

  /** Play, as fast as was chosen. */
  play() {
    this.stopBack();
    this.video.play().catch(() => this.tell("state"));
  }

  pause() {
    this.stopBack();
    this.video.pause();
    this.video.playbackRate = this.video.defaultPlaybackRate;
  }

  /** Play, and faster with each further call. */
  forward() {
    if (this.playing) this.video.playbackRate = faster(this.video.playbackRate);
    else this.play();
  }

  /** Go backwards, and faster with each further call; browsers cannot play so, so it is seeked picture by picture. */
  backward() {
    const rate = this.back ? faster(this.back.rate) : 1;
    this.pause();
    const [from, begun] = [this.position, performance.now()];
    const timer = setInterval(() => {
      const frame = from - ((performance.now() - begun) / 1000) * this.clock.fps * rate;
      this.head(frame);
      if (frame <= 0) this.stopBack();
    }, STEP_MS);
    this.back = { rate, timer };
    this.tell("state");
  }

  stopBack() {
    if (!this.back) return;
    clearInterval(this.back.timer);
    this.back = null;
    this.tell("state");
  }

  tell(kind) {
    this.dispatchEvent(new Event(kind));
  }
}

const faster = (rate) => RATES.find((more) => more > rate) ?? RATES.at(-1);
