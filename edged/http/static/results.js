// The list of results, newest first: it can be held, and kept to one stream.

import { copyOf, made, one, say } from "./dom.js";
import { milliseconds, pretty, timeOf, told } from "./words.js";

const MOST_ROWS = 100;

/** The section of the results. */
export class ResultList {
  #list = one("#results ol");
  #only = one("#only");
  #button = one("#pause");
  #paused = false;
  #waiting = []; // oldest first; what came since the list was drawn
  #drawing = 0;

  constructor() {
    this.#button.addEventListener("click", () => this.#pause(!this.#paused));
    this.#only.addEventListener("change", () => this.#keepOnly(this.#only.value));
    this.#list.addEventListener("toggle", ({ target }) => this.#toggled(target), true);
  }

  /** The streams that can be chosen. */
  offer(names) {
    const chosen = this.#only.value;
    if (names.join("\n") === [...this.#only.options].slice(1).map((option) => option.value).join("\n")) return;
    this.#only.replaceChildren(this.#only.options[0], ...names.map((name) => made("option", name, { value: name })));
    this.#only.value = names.includes(chosen) ? chosen : "";
  }

  /** A result came; it is drawn with the next frame of the screen. */
  hear(message) {
    if (this.#only.value && message.stream !== this.#only.value) return;
    this.#waiting.push(message);
    if (this.#waiting.length > MOST_ROWS) this.#waiting.shift();
    if (this.#paused) return this.#label();
    this.#drawing ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#drawing = 0;
    if (this.#paused) return;
    this.#list.prepend(...this.#waiting.splice(0).reverse().map(row));
    while (this.#list.children.length > MOST_ROWS) this.#list.lastElementChild.remove();
    one("#results .empty").hidden = this.#list.children.length > 0;
  }

  #pause(paused) {
    this.#paused = paused;
    if (!paused) this.#draw();
    this.#label();
  }

  #label() {
    const count = this.#waiting.length;
    const more = count === MOST_ROWS ? `${count}+` : count;
    say(this.#button, !this.#paused ? "Pause" : count ? `Resume · ${more} new` : "Resume");
  }

  #keepOnly(stream) {
    const fits = (name) => !stream || name === stream;
    this.#waiting = this.#waiting.filter((message) => fits(message.stream));
    for (const item of [...this.#list.children]) if (!fits(item.dataset.stream)) item.remove();
    this.#label();
  }

  /** Who reads a result does not want it to move away. */
  #toggled(details) {
    if (!details.open) return;
    const shown = one("pre", details);
    if (!shown.textContent) shown.textContent = pretty(details.message);
    this.#pause(true);
  }
}

function row(message) {
  const item = copyOf("result");
  item.dataset.stream = message.stream;
  item.classList.toggle("failed", "error" in message);
  one("details", item).message = message;
  say(one(".what", item), told(message));
  say(one(".from", item), `${message.stream} · ${message.schema.split("/")[1]}`);
  say(one("time", item), timeOf(message.captured_at));
  one("time", item).dateTime = message.captured_at;
  say(one(".latency", item), milliseconds(message.latency_ms));
  return item;
}
