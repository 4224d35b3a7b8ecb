// A place for one file: dropped, pasted, chosen, photographed or recorded; it shows what it holds.

import { copyOf, one, paint, say } from "./dom.js";
import { Microphone } from "./microphone.js";

const KINDS = {
  picture: { shows: "canvas", accept: "image/*", hint: "Drop or paste a picture here, or", choose: "Choose a picture" },
  recording: { shows: "audio", accept: "audio/*,video/*", hint: "Drop a recording here, or", choose: "Choose a file" },
  video: { shows: "video", accept: "video/*", hint: "Drop a video here, or", choose: "Choose a video" },
};

/** One such place; `taken` is called whenever it holds another file. */
export class Drop {
  element = copyOf("drop");
  file = null;
  #shows;
  #taken;
  #address = "";

  constructor(kind, name, taken, choose = KINDS[kind].choose) {
    const { shows, accept, hint } = KINDS[kind];
    this.#taken = taken;
    this.#shows = one(shows, this.element);
    for (const other of this.element.querySelectorAll("canvas, audio, video")) if (other !== this.#shows) other.remove();
    if (kind !== "picture") one(".phone", this.element).remove();
    const record = one(".record", this.element);
    if (kind === "recording") new Microphone(record, one(".why", this.element), (file) => this.take(file));
    else record.remove();
    say(one(".hint", this.element), hint);
    say(one(".choose", this.element), choose);
    Object.assign(one("input", this.element), { name, accept });
    this.element.addEventListener("change", ({ target }) => this.take(target.files[0]));
    this.#shows.addEventListener("error", () => this.#cannot());
  }

  /** The canvas, or the player. */
  get shown() {
    return this.#shows;
  }

  /** Hold this file. */
  async take(file) {
    if (!file) return;
    this.file = file;
    say(one(".why", this.element), "");
    if (this.#shows.matches("canvas")) await paint(this.#shows, file);
    else this.#play(file);
    this.#taken();
  }

  #play(file) {
    URL.revokeObjectURL(this.#address);
    this.#address = URL.createObjectURL(file);
    this.#shows.src = this.#address;
    this.#shows.hidden = false;
  }

  #cannot() {
    this.#shows.hidden = true;
    say(one(".why", this.element), "This browser cannot play it; the box may well read it.");
  }
}
