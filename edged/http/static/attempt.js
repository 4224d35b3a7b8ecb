// "Try a service": a picture goes in; its drawing and the answer's JSON come out side by side.

import { commands } from "./commands.js";
import { copy, explain, made, one, paint, say } from "./dom.js";
import { options, showOptions } from "./options.js";
import { ask } from "./server.js";
import { milliseconds, pretty, summary } from "./words.js";

const MOST_CHARACTERS = 20_000; // of JSON that are shown; all of it can be copied
const PREDICT = "/api/predict/";

/** The section, which works on one picture at a time. */
export class Attempt {
  #form = one("#attempt form");
  #canvas = one("#attempt canvas");
  #picture = null;
  #name = "picture.jpg";
  #answer = null;
  #schemas = null; // request schema by service, from /openapi.json
  #offered = "";
  #node = "";
  #running = new AbortController();

  constructor() {
    const { file, photo, service, again } = this.#form.elements;
    for (const input of [file, photo]) input.addEventListener("change", () => this.#take(input.files[0]));
    service.addEventListener("change", () => this.#chosen());
    one("fieldset", this.#form).addEventListener("change", () => this.#run());
    again.addEventListener("click", () => this.#run());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    document.addEventListener("paste", (event) => this.#take(pictureOf(event.clipboardData), event));
    this.#form.addEventListener("click", ({ target }) => target.matches(".copy") && this.#copy(target));
    this.#takeDrops(one(".drop", this.#form));
  }

  /** Offer the services of a status that take a picture. */
  async show({ node, services }) {
    this.#node = node;
    this.#schemas ??= await requestSchemas();
    const names = services.map(({ service }) => service).filter((name) => this.#schemas.get(name)?.properties.image);
    one("#attempt").hidden = names.length === 0;
    if (names.join() === this.#offered) return;
    this.#offered = names.join();
    const select = this.#form.elements.service;
    const before = select.value;
    select.replaceChildren(...names.map((name) => made("option", name)));
    if (names.includes(before)) select.value = before;
    if (select.value !== before) this.#chosen();
  }

  get #service() {
    return this.#form.elements.service.value;
  }

  #chosen() {
    showOptions(one("fieldset", this.#form), this.#schemas.get(this.#service));
    this.#run();
  }

  /** Anywhere on the page: who misses the area does not want to leave the page. */
  #takeDrops(area) {
    const over = (event, is) => {
      event.preventDefault();
      area.classList.toggle("over", is);
    };
    document.addEventListener("dragover", (event) => over(event, true));
    document.addEventListener("dragleave", (event) => over(event, false));
    document.addEventListener("drop", (event) => {
      over(event, false);
      this.#take(pictureOf(event.dataTransfer));
    });
  }

  #take(file, event) {
    if (!file) return;
    event?.preventDefault();
    this.#picture = file;
    this.#name = file.name || "picture.png";
    this.#run();
  }

  /** Ask for the answer and its drawing; what ran before is given up. */
  async #run() {
    if (!this.#form.reportValidity()) return;
    this.#showCommands();
    if (!this.#picture) return;
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    this.#answer = null;
    this.#showAnswer("asking…");
    try {
      await paint(this.#canvas, this.#picture);
      await this.#asked(await base64(this.#picture), signal);
    } catch (error) {
      if (!signal.aborted) this.#showAnswer(sentence(error), "bad");
    }
  }

  async #asked(image, signal) {
    const service = this.#service;
    const started = performance.now();
    const path = `${PREDICT.slice(1)}${service}?drawing=true`;
    const said = await ask(path, { image, ...options(this.#form) }, signal);
    const { answer, drawing, why_not: whyNot } = await said.json();
    const took = milliseconds(performance.now() - started);
    this.#answer = answer;
    const note = whyNot ? ` · not drawn: ${whyNot}` : "";
    this.#showAnswer(`${summary(answer)} · ${took} there and back${note}`, "good");
    if (!drawing) return;
    const bytes = Uint8Array.from(atob(drawing), (character) => character.charCodeAt(0));
    await paint(this.#canvas, new Blob([bytes], { type: "image/jpeg" }));
  }

  #showAnswer(line, tone = "busy") {
    const said = one(".said", this.#form);
    said.dataset.tone = tone;
    explain(said, line);
    const json = one(".json", this.#form);
    const text = this.#answer ? pretty(this.#answer) : "";
    const cut = text.length > MOST_CHARACTERS;
    json.textContent = cut ? `${text.slice(0, MOST_CHARACTERS)}\n… ${text.length} characters in all` : text;
    json.hidden = json.nextElementSibling.hidden = !text;
    this.#form.elements.again.hidden = tone !== "bad";
  }

  #showCommands() {
    const { curl, mqtt } = commands(this.#node, this.#service, options(this.#form), this.#name);
    say(one(".curl", this.#form), curl);
    say(one(".mqtt", this.#form), mqtt);
  }

  async #copy(button) {
    const shown = button.previousElementSibling;
    await copy(shown.matches(".json") ? JSON.stringify(this.#answer) : shown.textContent);
    say(button, "Copied");
    setTimeout(() => say(button, "Copy"), 1_500);
  }
}

function pictureOf(transfer) {
  return [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/")) ?? transfer?.files?.[0];
}

async function requestSchemas() {
  const { paths, components } = await (await ask("openapi.json")).json();
  const found = new Map();
  for (const [path, { post }] of Object.entries(paths)) {
    if (!path.startsWith(PREDICT) || !post) continue;
    const { schema } = post.requestBody.content["application/json"];
    found.set(path.slice(PREDICT.length), schema.$ref ? components.schemas[schema.$ref.split("/").at(-1)] : schema);
  }
  return found;
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(new Error("this file cannot be read")));
    reader.readAsDataURL(blob);
  });
}

function sentence(error) {
  const text = error.message.replace(/\.$/, "");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
