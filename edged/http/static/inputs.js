// What goes in, by what a service takes: pictures as Base64, recordings and videos sent ahead, texts.

import { copyOf } from "./dom.js";
import { Drop } from "./drop.js";
import { upload } from "./server.js";

/** One picture. */
class PictureInput {
  quick = true; // an answer takes no time, so nobody needs to ask for it
  later = false; // its answer is fetched from a job
  #drop;

  constructor(changed) {
    this.#drop = new Drop("picture", "file", changed);
    this.element = this.#drop.element;
  }

  get ready() {
    return this.#drop.file !== null;
  }

  /** What stands for the picture in the lines for a terminal. */
  sample(file) {
    return { image: file(this.#drop.file?.name || "picture.jpg") };
  }

  async fields() {
    return { image: await base64(this.#drop.file) };
  }

  take(file) {
    return this.#drop.take(file);
  }

  /** Where the picture with what was found is drawn. */
  get canvas() {
    return this.#drop.shown;
  }
}

/** One picture, and if somebody wants one in colour to take its colour from. */
class ColourInput extends PictureInput {
  #reference;

  constructor(changed) {
    super(changed);
    this.#reference = new Drop("picture", "reference", changed, "Choose one to colour it like");
    const pair = document.createElement("div");
    pair.append(this.element, this.#reference.element);
    pair.className = "pair";
    this.element = pair;
  }

  sample(file) {
    const { file: reference } = this.#reference;
    return { ...super.sample(file), ...(reference && { reference: file(reference.name || "reference.jpg") }) };
  }

  async fields() {
    const { file: reference } = this.#reference;
    return { ...(await super.fields()), ...(reference && { reference: await base64(reference) }) };
  }

  take(file, target) {
    return this.#reference.element.contains(target) ? this.#reference.take(file) : super.take(file);
  }
}

/** Two pictures to compare; `within`: those of products stand in a field of their own. */
class PairInput {
  quick = true;
  later = false;
  within = false;
  element = document.createElement("div");
  #drops;

  constructor(changed) {
    this.#drops = [["filea", "First picture"], ["fileb", "Second picture"]].map(([name, choose]) => new Drop("picture", name, changed, choose));
    this.element.append(...this.#drops.map((drop) => drop.element));
    this.element.className = "pair";
  }

  get ready() {
    return this.#drops.every((drop) => drop.file !== null);
  }

  sample(file) {
    const [a, b] = this.#drops.map((drop, index) => file(drop.file?.name || `picture-${"ab"[index]}.jpg`));
    return this.#named(a, b);
  }

  async fields() {
    return this.#named(...(await Promise.all(this.#drops.map((drop) => base64(drop.file)))));
  }

  /** Where it was dropped, else where there is none yet. */
  take(file, target) {
    const drops = this.#drops;
    return (drops.find(({ element }) => element.contains(target)) ?? drops.find((drop) => !drop.file) ?? drops[0]).take(file);
  }

  #named(imagea, imageb) {
    const pair = { imagea, imageb };
    return this.within ? { function_name: "match", function_params: pair } : pair;
  }
}

/** A recording or a video; it is sent once, however often it is asked about. */
class MediaInput {
  later = true;
  #drop;
  #url = "";
  #used = false;

  constructor(kind, changed) {
    this.quick = kind === "recording";
    this.#drop = new Drop(kind, kind, () => {
      this.#url = "";
      changed();
    });
    this.element = this.#drop.element;
  }

  get ready() {
    return this.#drop.file !== null;
  }

  get player() {
    return this.#drop.shown;
  }

  sample(file, sent) {
    return { input: { url: sent(this.#drop.file?.name || `${this.quick ? "recording.wav" : "video.mp4"}`) } };
  }

  async fields(told, signal) {
    this.#used = this.#url !== "";
    this.#url ||= await upload(this.#drop.file, told, signal);
    return { input: { url: this.#url } };
  }

  /** Whether the box may have forgotten what was sent; then it is sent again. */
  forget() {
    this.#url = "";
    return this.#used;
  }

  take(file) {
    return this.#drop.take(file);
  }
}

/** A text or two. */
class TextInput {
  quick = false;
  later = false;
  element = copyOf("texts");
  #texts = [...this.element.querySelectorAll("textarea")];

  constructor(changed) {
    this.element.addEventListener("change", changed);
  }

  get ready() {
    return this.#texts[0].value !== "";
  }

  sample() {
    const [first_sequence, second_sequence] = this.#texts.map((area) => area.value);
    return { id: "1", first_sequence, ...(second_sequence && { second_sequence }) };
  }

  async fields() {
    return this.sample();
  }

  take() {}
}

/** The inputs by kind; `changed` is called whenever one of them holds something else. */
export const inputs = (changed) => ({
  picture: new PictureInput(changed),
  colour: new ColourInput(changed),
  pictures: new PairInput(changed),
  recording: new MediaInput("recording", changed),
  video: new MediaInput("video", changed),
  text: new TextInput(changed),
});

/** What a service takes, by the schema of its request and its group. */
export function kindOf({ properties }, group) {
  if (properties.reference) return "colour";
  if (properties.image) return "picture";
  if (properties.imagea || properties.function_params) return "pictures";
  if (properties.first_sequence) return "text";
  return group === "video" ? "video" : "recording";
}

function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("load", () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)));
    reader.addEventListener("error", () => reject(new Error("this file cannot be read")));
    reader.readAsDataURL(blob);
  });
}
