// What numbers and answers are called on the page.

const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const WIDTH = 72; // of a line of JSON, characters

/** Wall clock of an ISO 8601 time, in the zone of who looks. */
export const timeOf = (iso) => clock.format(new Date(iso));

/** Milliseconds as people read them; nothing for none. */
export function milliseconds(value) {
  if (value === null || value === undefined) return "";
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

/** Seconds in the two largest units: `3 d 4 h`. */
export function duration(seconds) {
  const units = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => seconds >= size));
  if (seconds < 1) return "0 s";
  let left = Math.floor(seconds);
  const said = units.slice(first, first + 2).map(([unit, size]) => {
    const count = Math.floor(left / size);
    left %= size;
    return count ? `${count} ${unit}` : "";
  });
  return said.filter(Boolean).join(" ");
}

/** A place in a recording, microseconds, as players show it: `1:02:07`. */
export function clockTime(us) {
  const seconds = Math.floor(us / 1e6);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Whether an answer is a map of what was heard, by when. */
export const isHeard = (answer) => Object.keys(answer).every((key) => /^\d+$/.test(key));

/** What was said in a clip, or its label. */
export const heardText = (value) => (value.startsWith("{") ? JSON.parse(value).class : value);

/** An answer of any service in one line. */
export function summary(answer) {
  if (typeof answer === "string" || isHeard(answer)) return heard({ result: answer, final: true });
  if (answer.detection_texts) return answer.detection_texts.map((text) => `“${text}”`).join(" ") || "no text";
  if (answer.detection_class_names) return counted(answer.detection_class_names) || "nothing found";
  if (answer.class_probs && !answer.preds) return likeliest(answer.class_probs);
  if (answer.face_bbox) return counted(answer.face_gender) || "no face";
  if (answer.out_image) return "a picture";
  if (answer.preds) return "a class for each pixel";
  if (answer.oss_path) return answer.end ? `from ${clockTime(answer.start)} to ${clockTime(answer.end)}` : "a video";
  if (answer.pool_output) return `a vector of ${answer.dimension} numbers`;
  return Object.entries(answer)
    .filter(([name, value]) => !["request_id", "success"].includes(name) && typeof value !== "object")
    .map(([name, value]) => `${name} ${value}`)
    .join(", ") || "answered";
}

/** A stream message in one line. */
export function told(message) {
  if (message.error) return `failed (${message.error.code}): ${message.error.message}`;
  return message.clip ? heard(message) : summary(message.result);
}

/** What was heard: texts or labels of clips, or a vector. */
function heard({ result, final }) {
  if (typeof result === "string") return `a vector of ${result.split(",").length} numbers`;
  const said = Object.values(result)
    .filter(Boolean)
    .map((value) => (value.startsWith("{") ? heardText(value) : `“${value}”`));
  return (said.join(" ") || "nothing said") + (final ? "" : " …");
}

function counted(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return amounts([...counts]);
}

/** Pairs of a name and how often there is such a one, as people read them: `2 × person, dog`. */
export const amounts = (pairs) => pairs.map(([name, count]) => (count > 1 ? `${count} × ${name}` : name)).join(", ");

function likeliest(probabilities) {
  const [name, share] = Object.entries(probabilities).reduce((best, next) => (next[1] > best[1] ? next : best));
  return `${name} ${Math.round(share * 100)} %`;
}

/** JSON with an indent of two, where whatever fits stays on one line. */
export function pretty(value, indent = "") {
  const line = onOneLine(value);
  if (!isObject(value) || indent.length + line.length <= WIDTH) return line;
  const inner = `${indent}  `;
  const lines = Array.isArray(value)
    ? value.map((item) => inner + pretty(item, inner))
    : Object.entries(value).map(([name, item]) => `${inner}${JSON.stringify(name)}: ${pretty(item, inner)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${lines.join(",\n")}\n${indent}${close}`;
}

/** JSON on one line, with spaces. */
export function onOneLine(value) {
  if (!isObject(value)) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(onOneLine).join(", ")}]`;
  const pairs = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}: ${onOneLine(item)}`);
  return `{${pairs.join(", ")}}`;
}

const isObject = (value) => typeof value === "object" && value !== null;
