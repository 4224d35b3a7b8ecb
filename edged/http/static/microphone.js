// Records a microphone of the one who looks at the page, on their own device.

import { say } from "./dom.js";
import { clockTime } from "./words.js";

const SUFFIXES = { "audio/webm": "webm", "audio/mp4": "m4a", "audio/ogg": "ogg" };

/** A button that begins and ends a recording; `recorded` gets the file, `why` says what stands in the way. */
export class Microphone {
  #button;
  #why;
  #recorded;
  #recorder = null;

  constructor(button, why, recorded) {
    [this.#button, this.#why, this.#recorded] = [button, why, recorded];
    button.addEventListener("click", () => (this.#recorder ? this.#recorder.stop() : this.#begin()));
    if (navigator.mediaDevices) return;
    button.hidden = true; // browsers hand it to secure pages only
    say(why, "To record here, open this page over https or as localhost.");
  }

  async #begin() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      return say(this.#why, error.name === "NotFoundError" ? "There is no microphone." : "The microphone is not allowed.");
    }
    const pieces = [];
    const recorder = new MediaRecorder(stream);
    this.#recorder = recorder;
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    recorder.addEventListener("stop", () => this.#end(stream, pieces, recorder.mimeType.split(";")[0]));
    recorder.start();
    this.#show(Date.now());
  }

  #end(stream, pieces, type) {
    for (const track of stream.getTracks()) track.stop();
    this.#recorder = null;
    this.#show(0);
    this.#recorded(new File(pieces, `recording.${SUFFIXES[type] ?? "bin"}`, { type }));
  }

  /** Once a second, as long as it records. */
  #show(since) {
    const records = this.#recorder !== null;
    say(this.#button, records ? `Stop · ${clockTime((Date.now() - since) * 1000)}` : "Record");
    this.#button.setAttribute("aria-pressed", records);
    if (records) setTimeout(() => this.#show(since), 250);
  }
}
