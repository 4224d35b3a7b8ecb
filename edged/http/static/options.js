// Inputs for the options of a service, made from the JSON Schema of its request.

import { made } from "./dom.js";

const NOT_OPTIONS = ["request_id", "reply_to", "timeout_s", "image", "input"];

/** Fill `fieldset` with one input for each option of a request's schema. */
export function showOptions(fieldset, schema) {
  const inputs = Object.entries(schema.properties)
    .filter(([name]) => !NOT_OPTIONS.includes(name))
    .map(([name, property]) => labelled(name, property))
    .filter(Boolean);
  fieldset.replaceChildren(fieldset.firstElementChild, ...inputs);
  fieldset.hidden = inputs.length === 0;
}

/** The options that somebody has set, by name; all others are left to the configuration. */
export function options(form) {
  const set = {};
  for (const input of form.querySelectorAll("[data-option]")) {
    if (input.value !== "") set[input.dataset.option] = JSON.parse(input.value);
  }
  return set;
}

function labelled(name, property) {
  const kind = (property.anyOf ?? [property]).find(({ type }) => type !== "null");
  const input = inputFor(kind);
  if (!input) return null;
  input.dataset.option = name;
  const label = made("label", `${name} `);
  label.title = property.description ?? "";
  label.append(input);
  return label;
}

/** Values are JSON, so that a number stays a number and a text a text. */
function inputFor({ type, enum: choices, minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  if (choices) return choice(choices);
  if (type === "boolean") return choice([true, false]);
  if (type !== "number" && type !== "integer") return null;
  const input = made("input", "", { type: "number", step: type === "integer" ? "1" : "any", placeholder: "default" });
  const [least, most] = [minimum ?? exclusiveMinimum, maximum ?? exclusiveMaximum];
  if (least !== undefined) input.min = least;
  if (most !== undefined) input.max = most;
  return input;
}

function choice(values) {
  const select = made("select");
  const named = values.map((value) => made("option", String(value), { value: JSON.stringify(value) }));
  select.append(made("option", "default", { value: "" }), ...named);
  return select;
}
