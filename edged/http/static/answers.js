// What stands in an answer, for people: one way to show it for each kind.

import { copyOf, made, one, row } from "./dom.js";
import { clockTime, heardText, isHeard } from "./words.js";

const MOST_ROWS = 100;
const MOST_NUMBERS = 6;

/** Elements that show an answer. `beside`: the `player` of the original, the `artefact` that was made of it, the
 * `drawing` of a pair. */
export function shown(answer, { player = null, artefact = null, drawing = null } = {}) {
  const parts = drawing ? [picture(`data:image/jpeg;base64,${drawing}`, "Both pictures, with what was found")] : [];
  if (typeof answer === "string") return [...parts, vectors({ vector: answer })];
  if (isHeard(answer)) return [...parts, clips(answer, player)];
  return [...parts, ...KINDS.filter(([field]) => answer[field] !== undefined).flatMap(([, show]) => show(answer, player, artefact))];
}

/** What is shown of an answer that has this field. */
const KINDS = [
  ["class_probs", ({ class_probs: shares }) => (Array.isArray(shares) ? [] : [likeliest(shares)])],
  ["product_count", ({ product_count: counts }) => [table(["Product", "Count"], Object.entries(counts))]],
  ["detection_boxes", (answer) => [found(answer)]],
  ["face_bbox", (answer) => [faces(answer)]],
  ["similarity", ({ similarity }) => [measure("similarity", similarity, 100), made("p", alike(similarity))]],
  ["l2_distance", (answer) => [measure("L2 distance", answer.l2_distance, "similarity" in answer ? 2 : 4)]],
  ["cosine_similarity", (answer) => [measure("cosine similarity", answer.cosine_similarity, 1)]],
  ["human_ratio", ({ human_ratio: share }) => [measure("covered by people", Number(share), 1)]],
  ["preds", ({ preds }) => classes(preds)],
  ["out_image", ({ out_image: image }) => madePicture(image)],
  ["pool_output", (answer) => [textVectors(answer)]],
  ["oss_path", film],
];

const alike = (similarity) => (similarity >= 80 ? "The same, by the service's own limit of 80." : "Different: under 80.");

function table(names, rows, more = rows.length - MOST_ROWS) {
  const [whole, head, body] = [made("table"), made("thead"), made("tbody")];
  const top = made("tr");
  top.append(...names.map((name) => made("th", name, { scope: "col" })));
  head.append(top);
  body.append(...rows.slice(0, MOST_ROWS).map((cells) => row(names, cells)));
  whole.append(head, body);
  if (more > 0) whole.append(made("caption", `${more} more stand in the JSON`));
  return whole;
}

function meter(value, most = 1) {
  const [bar, holder] = [made("meter", "", { min: 0, max: most, value }), made("span", "", { class: "metered" })];
  holder.append(bar, ` ${most === 1 ? `${(value * 100).toFixed(1)} %` : +value.toFixed(3)}`);
  return holder;
}

function measure(name, value, most) {
  const line = made("p", `${name} `, { class: "measure" });
  line.append(meter(value, most), most === 1 ? "" : ` of ${most}`);
  return line;
}

function likeliest(shares) {
  const best = Object.entries(shares).sort((a, b) => b[1] - a[1]).slice(0, 5);
  return table(["Class", "Probability"], best.map(([name, share]) => [name, meter(share)]));
}

function found({ detection_texts: texts, detection_class_names: names, detection_scores: scores, detection_boxes: boxes }) {
  const rows = boxes.map((box, index) => [(texts ?? names)[index], meter(scores[index]), box.map(Math.round).join(", ")]);
  return table([texts ? "Text" : "Found", "Score", "Top, left, bottom, right"], rows);
}

function faces({ face_bbox: boxes, face_gender: genders, face_age: ages, face_emo: emotions }) {
  const rows = boxes.map((box, index) => [genders[index], Math.round(ages[index]), emotions[index], meter(box[4])]);
  return table(["Gender", "Age", "Emotion", "Score"], rows);
}

/** How much of a picture each class covers, of rows or runs; of a PNG it is the drawing that tells. */
function classes(preds) {
  if (typeof preds === "string") return [];
  const counts = new Map();
  const add = (name, count) => counts.set(name, (counts.get(name) ?? 0) + count);
  if (Array.isArray(preds)) for (const name of preds.flat()) add(name, 1);
  else preds.values.forEach((name, index) => add(name, preds.counts[index]));
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const rows = [...counts].sort((a, b) => b[1] - a[1]).map(([name, count]) => [String(name), meter(count / all)]);
  return [table(["Class", "Share of the picture"], rows)];
}

function madePicture(base64) {
  const type = base64.startsWith("/9j/") ? "jpeg" : "png";
  const address = `data:image/${type};base64,${base64}`;
  return [picture(address, "The picture that was made"), save(address, `result.${type === "jpeg" ? "jpg" : "png"}`)];
}

const picture = (src, alt) => made("img", "", { src, alt });
const save = (href, download) => made("a", "Save", { href, download, class: "button" });

/** What was heard, by when; the original jumps there. */
function clips(heard, player) {
  const list = made("ol", "", { class: "clips" });
  for (const [start, value] of Object.entries(heard)) {
    const [line, jump] = [made("li"), made("button", clockTime(start), { type: "button" })];
    jump.addEventListener("click", () => play(player, start));
    line.append(jump, made("span", heardText(value).replaceAll(";", "; ") || "nothing said"));
    list.append(line);
  }
  return list;
}

function play(player, us) {
  player.currentTime = us / 1e6;
  return player.play();
}

function vectors(named) {
  const rows = Object.entries(named).map(([name, text]) => {
    const numbers = text.split(",");
    return [name, `${numbers.slice(0, MOST_NUMBERS).map((number) => +Number(number).toFixed(3)).join(", ")}, …`, numbers.length];
  });
  return table(["Vector", "Begins with", "Numbers"], rows);
}

function textVectors({ pool_output, first_token_output, all_hidden_outputs: every }) {
  const tokens = every.split(";");
  const named = { pool_output, first_token_output };
  for (const [index, vector] of tokens.entries()) named[`token ${index + 1} of ${tokens.length}`] = vector;
  return vectors(named);
}

/** A video that was made, to be played with the original. */
function film({ start = 0, end, curve, result }, player, artefact) {
  const address = `artefacts/${artefact?.split("/").at(-1)}`; // from here, whatever name the box goes by elsewhere
  const [video, both] = [made("video", "", { src: address, controls: "", playsinline: "", "aria-label": "The result" }), made("button", "Play both", { type: "button" })];
  both.addEventListener("click", () => {
    player.muted = true; // one sound is enough
    return Promise.all([play(player, start), play(video, 0)]);
  });
  const bar = made("p", "", { class: "bar" });
  bar.append(both, save(address, address.split("/").at(-1)));
  if (end) bar.append(made("span", `${clockTime(start)} to ${clockTime(end)} of the original`));
  return [video, bar, ...(result ? [made("p", result)] : []), ...(curve ? [drawnCurve(curve, start, end)] : [])];
}

/** The score over time, and the span that was taken. */
function drawnCurve({ score, step }, start, end) {
  const whole = copyOf("curve");
  const set = (tag, attributes) => Object.entries(attributes).map(([name, value]) => one(tag, whole).setAttribute(name, value));
  const most = Math.max(...score, 0.001);
  whole.setAttribute("viewBox", `0 0 ${score.length} 20`);
  set("rect", { x: start / step, width: (end - start) / step });
  set("polyline", { points: score.map((value, index) => `${index + 0.5},${(1 - value / most) * 20}`).join(" ") });
  return whole;
}
