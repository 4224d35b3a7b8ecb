// A tile for each stream: its live picture while it is on the screen, how it is, and what it saw or heard last.

import { copyOf, one, say, showState } from "./dom.js";
import { milliseconds, timeOf, told } from "./words.js";

const MOST_LIVE = 3; // browsers open six connections to one server; results and requests need some of them
const SNAPSHOT_EVERY_MS = 2_000; // the pictures of all other tiles
const RETRY_MS = 2_000;
const CHECK_EVERY_MS = 3_000;
const TONES = { online: "good", stalled: "busy", offline: "bad", disabled: "off" };

/** The picture of one stream, in an `<img>`: live, by snapshots, or not at all. */
class Picture {
  #image;
  #path;
  #mode = "off";
  #timer = 0;
  #sample = "";

  constructor(image, stream) {
    this.#image = image;
    this.#path = `api/streams/${encodeURIComponent(stream)}`;
    image.addEventListener("load", () => this.#loaded());
    image.addEventListener("error", () => this.#failed());
  }

  /** `mode`: live, snapshots or off. */
  show(mode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.reopen();
  }

  /** Ask again from the beginning, where it is shown at all. */
  reopen() {
    clearTimeout(this.#timer);
    if (this.#mode === "off") {
      this.#image.removeAttribute("src"); // ends the connection
      this.#image.hidden = true;
    } else this.#image.src = `${this.#path}/${this.#mode === "live" ? "live" : "snapshot"}?at=${Date.now()}`;
  }

  #loaded() {
    if (this.#mode === "off") return;
    this.#image.hidden = false;
    if (this.#mode === "live") this.#checkLater();
    else this.#later(SNAPSHOT_EVERY_MS);
  }

  #failed() {
    if (this.#mode !== "off") this.#later(RETRY_MS);
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.reopen(), wait);
  }

  /** No browser tells when a live picture has ended: it looks just like one in which nothing happens. */
  #checkLater() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const sample = this.#sampled();
      if (sample === this.#sample) return this.reopen();
      this.#sample = sample;
      this.#checkLater();
    }, CHECK_EVERY_MS);
  }

  #sampled() {
    const small = document.createElement("canvas");
    [small.width, small.height] = [64, 36];
    const context = small.getContext("2d");
    context.drawImage(this.#image, 0, 0, small.width, small.height);
    return context.getImageData(0, 0, small.width, small.height).data.join();
  }
}

/** One stream. */
class Tile {
  onScreen = false;
  listens = false; // to sound: it has no picture, and shows what was said

  constructor(name) {
    this.element = copyOf("tile");
    this.element.dataset.stream = name;
    this.picture = new Picture(one("img", this.element), name);
    one("img", this.element).alt = `Live picture of ${name}`;
    say(one(".name", this.element), name);
    this.#enlargeable(name);
  }

  /** How the stream is, as the status tells it. */
  show({ state, fps, why, services, active, listens }) {
    const online = state === "online";
    this.listens = listens;
    if (online && this.element.dataset.state !== state) this.picture.reopen();
    this.element.dataset.state = state;
    showState(one(".state", this.element), TONES[state], state);
    say(one(".fps", this.element), online && !listens ? `${Number(fps.toFixed(1))} fps` : "");
    say(one(".holds", this.element), active.join(", "));
    if (!online) say(one(".why", this.element), why || state);
    else if (this.element.dataset.said === undefined) say(one(".why", this.element), listens ? "listening" : "");
    if (!one("time", this.element).textContent) say(one(".what", this.element), services.join(", "));
  }

  /** What a service said of it. */
  hear(message) {
    say(one(".what", this.element), told(message));
    if (this.listens && message.schema.includes("speech-recognition")) {
      this.element.dataset.said = told(message);
      say(one(".why", this.element), told(message));
    }
    say(one("time", this.element), timeOf(message.captured_at));
    say(one(".latency", this.element), milliseconds(message.latency_ms));
  }

  #enlargeable(name) {
    const view = one(".view", this.element);
    view.setAttribute("aria-label", `${name}: enlarge the picture`);
    view.addEventListener("click", () => {
      const wide = this.element.classList.toggle("wide");
      view.setAttribute("aria-pressed", wide);
    });
  }
}

/** All streams. */
export class Streams {
  #section = one("#streams");
  #tiles = new Map();
  #visible = new IntersectionObserver((seen) => this.#moved(seen));

  constructor() {
    document.addEventListener("visibilitychange", () => this.#share());
  }

  /** Tiles come and go with the streams of the status. */
  show(streams, node) {
    const names = new Set(streams.map((stream) => stream.name));
    for (const name of this.#tiles.keys()) if (!names.has(name)) this.#remove(name);
    for (const stream of streams) (this.#tiles.get(stream.name) ?? this.#add(stream.name)).show(stream);
    one(".empty", this.#section).hidden = streams.length > 0;
    say(one(".reload", this.#section), `edged/${node}/control/reload`);
    this.#share();
  }

  /** A result of a stream. */
  hear(message) {
    this.#tiles.get(message.stream)?.hear(message);
  }

  /** The server was away and is back: the pictures that it sent have ended. */
  reopen() {
    for (const tile of this.#tiles.values()) tile.picture.reopen();
  }

  #add(name) {
    const tile = new Tile(name);
    this.#tiles.set(name, tile);
    one(".tiles", this.#section).append(tile.element);
    this.#visible.observe(tile.element);
    return tile;
  }

  #remove(name) {
    const tile = this.#tiles.get(name);
    this.#tiles.delete(name);
    this.#visible.unobserve(tile.element);
    tile.picture.show("off");
    tile.element.remove();
  }

  #moved(seen) {
    for (const { target, isIntersecting } of seen) {
      const tile = this.#tiles.get(target.dataset.stream);
      if (tile) tile.onScreen = isIntersecting;
    }
    this.#share();
  }

  /** The first tiles on the screen are live; nobody asks for what nobody sees. */
  #share() {
    let live = 0;
    for (const { onScreen, element, picture, listens } of this.#tiles.values()) {
      const wanted = onScreen && !listens && !document.hidden && ["online", "stalled"].includes(element.dataset.state);
      picture.show(!wanted ? "off" : live++ < MOST_LIVE ? "live" : "snapshots");
    }
  }
}
