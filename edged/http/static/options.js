// Inputs for the options of a service, made from the JSON Schema of its request.

import { made } from "./dom.js";

const NO_OPTIONS = ["request_id", "reply_to", "timeout_s", "image", "imagea", "imageb", "url", "id", "function_name"];
const MICROSECONDS = ["play_duration"]; // asked for in seconds

/** Fill `fieldset` with one input for each option of a request's schema. Returns whether there are any. */
export function showOptions(fieldset, schema) {
  const inputs = [...inputsFor(schema)];
  fieldset.replaceChildren(fieldset.firstElementChild, ...inputs);
  return inputs.length > 0;
}

/** The fields of a request with the options that somebody has set; all others are left to the configuration. */
export function withOptions(fields, form) {
  const [whole, head] = [{ ...fields }, {}];
  for (const { value, dataset } of form.querySelectorAll("[data-option]")) {
    if (value === "") continue;
    const set = { [dataset.option]: dataset.times ? Math.round(value * dataset.times) : JSON.parse(value) };
    if (dataset.within) whole[dataset.within] = { ...whole[dataset.within], ...set };
    else Object.assign(head, set);
  }
  return { ...head, ...whole };
}

function* inputsFor({ properties, required = [] }, within = "") {
  for (const [name, property] of Object.entries(properties)) {
    if (NO_OPTIONS.includes(name)) continue;
    if (property.properties) yield* inputsFor(property, name);
    const input = inputFor(name, property, required.includes(name));
    if (!input) continue;
    input.dataset.option = name;
    if (within) input.dataset.within = within;
    const label = made("label", `${name}${input.dataset.times ? ", seconds" : ""} `);
    label.title = property.description ?? "";
    label.append(input);
    yield label;
  }
}

/** Values are JSON, so that a number stays a number and a text a text. */
function inputFor(name, property, required) {
  if (MICROSECONDS.includes(name)) return number({ type: "number", minimum: 0.000001 }, 1_000_000);
  const kind = (property.anyOf ?? [property]).find(({ type }) => type !== "null");
  if (kind.enum) return choice(kind.enum, required);
  if (kind.type === "boolean") return choice([true, false], required);
  return ["number", "integer"].includes(kind.type) ? number(kind) : null;
}

function number({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }, times = 0) {
  const input = made("input", "", { type: "number", step: type === "integer" ? "1" : "any", placeholder: "default" });
  const [least, most] = [minimum ?? exclusiveMinimum, maximum ?? exclusiveMaximum];
  if (least !== undefined) input.min = least;
  if (most !== undefined) input.max = most;
  if (times) input.dataset.times = times;
  return input;
}

function choice(values, required) {
  const select = made("select");
  const named = values.map((value) => made("option", String(value), { value: JSON.stringify(value) }));
  select.append(...(required ? [] : [made("option", "default", { value: "" })]), ...named);
  return select;
}
