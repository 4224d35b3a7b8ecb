// "Try a service": pictures, a recording, a video or a text go in; what is found is shown, and the answer's JSON.

import { shown } from "./answers.js";
import { commands } from "./commands.js";
import { copy, explain, made, one, paint, say } from "./dom.js";
import { inputs, kindOf } from "./inputs.js";
import { showOptions, withOptions } from "./options.js";
import { ask, job, services } from "./server.js";
import { duration, milliseconds, pretty, summary } from "./words.js";

const MOST_CHARACTERS = 20_000; // of JSON that are shown; all of it can be copied

/** The section, which works on one request at a time. */
export class Attempt {
  #form = one("#attempt form");
  #inputs = inputs(() => this.#changed());
  #input = this.#inputs.picture;
  #answer = null;
  #known = null; // what /openapi.json says of each service
  #offered = "";
  #node = "";
  #running = new AbortController();

  constructor() {
    const { service, cancel } = this.#form.elements;
    service.addEventListener("change", () => this.#chosen());
    cancel.addEventListener("click", () => this.#cancel());
    one("fieldset", this.#form).addEventListener("change", () => this.#changed());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run();
    });
    this.#form.addEventListener("click", ({ target }) => target.matches(".copy") && this.#copy(target));
    document.addEventListener("paste", (event) => this.#take(event, event.clipboardData));
    this.#takeDrops(one(".given", this.#form));
  }

  /** Offer the services of a status. */
  async show({ node, services: served }) {
    this.#node = node;
    this.#known ??= await services();
    const names = served.map(({ service }) => service).filter((name) => this.#known.has(name));
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
    const { schema, group, about } = this.#known.get(this.#service);
    this.#running.abort();
    this.#busy(false);
    this.#input = this.#inputs[kindOf(schema, group)];
    if (this.#input === this.#inputs.pictures) this.#input.within = "function_params" in schema.properties;
    one(".given", this.#form).replaceChildren(this.#input.element);
    say(one(".about", this.#form), about);
    one(".options", this.#form).hidden = !showOptions(one("fieldset", this.#form), schema);
    this.#answered(null);
    this.#say("The answer will stand here.", "");
    this.#changed();
  }

  /** Something else is asked: at once where that takes no time. */
  #changed() {
    this.#showCommands();
    if (this.#input.quick && this.#input.ready) this.#run();
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
      this.#take(event, event.dataTransfer);
    });
  }

  #take(event, transfer) {
    const file = transfer?.files?.[0];
    if (!file) return;
    event.preventDefault();
    this.#input.take(file, event.target);
  }

  #cancel() {
    this.#running.abort();
    this.#busy(false);
    this.#say("Cancelled.", "bad");
  }

  /** Ask for the answer; what ran before is given up. */
  async #run() {
    if (!this.#form.reportValidity()) return;
    if (!this.#input.ready) return this.#say("First give it something to look at, to listen to, or to read.", "bad");
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    this.#answered(null);
    this.#say("asking…", "busy");
    this.#busy(true);
    try {
      await (this.#input.later ? this.#watched(signal) : this.#asked(signal));
    } catch (error) {
      if (signal.aborted) return;
      if (error.code === 404 && this.#input.forget?.()) return this.#run();
      this.#say(sentence(error), "bad");
    }
    this.#busy(false);
  }

  /** A request that is answered at once, with its drawing. */
  async #asked(signal) {
    const started = performance.now();
    const { canvas } = this.#input;
    const query = canvas || this.#input === this.#inputs.pictures ? "?drawing=true" : "";
    const request = withOptions(await this.#input.fields(), this.#form);
    const said = await (await ask(`api/predict/${this.#service}${query}`, request, signal)).json();
    const { answer, drawing, why_not: whyNot } = query ? said : { answer: said };
    this.#answered(answer, { drawing: canvas ? null : drawing });
    const note = whyNot ? ` · not drawn: ${whyNot}` : "";
    this.#say(`${summary(answer)} · ${milliseconds(performance.now() - started)} there and back${note}`, "good");
    if (!canvas || !drawing) return;
    const bytes = Uint8Array.from(atob(drawing), (character) => character.charCodeAt(0));
    await paint(canvas, new Blob([bytes], { type: "image/jpeg" }));
  }

  /** A request that may take minutes: it is sent, then its job is watched. */
  async #watched(signal) {
    const started = performance.now();
    const sent = await this.#input.fields((share) => this.#far(share, `sending · ${Math.round(share * 100)} %`), signal);
    this.#far(null, "waiting");
    const request = withOptions(sent, this.#form);
    const told = ({ state, done, eta_s: left }) => {
      const rest = left ? ` · ${duration(Math.ceil(left))} to go` : "";
      this.#far(done || null, state === "running" ? `${Math.round(done * 100)} %${rest}` : "waiting for its turn");
    };
    const { answer, artefact } = await job(`api/predict/${this.#service}`, request, told, signal);
    this.#answered(answer, { player: this.#input.player, artefact });
    this.#say(`${summary(answer)} · ${milliseconds(performance.now() - started)} in all`, "good");
  }

  #busy(is) {
    this.#form.elements.cancel.hidden = !is || !this.#input.later;
    one(".working", this.#form).hidden = true;
    this.#form.setAttribute("aria-busy", is);
  }

  /** How far it is; a share of null: nobody knows. */
  #far(share, text) {
    const bar = one(".working progress", this.#form);
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
    say(one(".far", this.#form), text);
    one(".working", this.#form).hidden = false;
  }

  #say(line, tone) {
    const said = one(".said", this.#form);
    said.dataset.tone = tone;
    explain(said, line);
  }

  /** Show an answer, or none. */
  #answered(answer, beside = {}) {
    this.#answer = answer;
    one(".shown", this.#form).replaceChildren(...(answer === null ? [] : shown(answer, beside)));
    one(".raw", this.#form).hidden = answer === null;
    const text = answer === null ? "" : pretty(answer);
    const cut = text.length > MOST_CHARACTERS;
    one(".json", this.#form).textContent = cut ? `${text.slice(0, MOST_CHARACTERS)}\n… ${text.length} characters in all` : text;
  }

  #showCommands() {
    const { curl, mqtt } = commands(this.#node, this.#service, (...ways) => withOptions(this.#input.sample(...ways), this.#form));
    say(one(".curl", this.#form), curl);
    say(one(".mqtt", this.#form), mqtt);
  }

  async #copy(button) {
    const beside = button.previousElementSibling;
    await copy(beside.matches(".json") ? JSON.stringify(this.#answer) : beside.textContent);
    say(button, "Copied");
    setTimeout(() => say(button, "Copy"), 1_500);
  }
}

function sentence(error) {
  const text = error.message.replace(/\.$/, "");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
