// The page's elements. Text from outside is only ever set as text, never as HTML.

/** The first element that fits a selector, below `root`. */
export const one = (selector, root = document) => root.querySelector(selector);

/** A copy of the content of `<template id=...>`. */
export const copyOf = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);

/** Set the text of an element, and touch it only when it changes: a live region speaks at every change. */
export function say(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/** As `say`, with what stands in `backticks` as code. */
export function explain(element, text) {
  if (element.textContent === text.replaceAll("`", "")) return;
  element.replaceChildren(...text.split("`").map((part, index) => (index % 2 ? made("code", part) : part)));
}

/** A new element with text. */
export function made(tag, text = "", attributes = {}) {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** A row of a table; each cell bears its column's name, for small screens. */
export function row(names, cells) {
  const line = made("tr");
  line.append(...cells.map((cell, index) => labelled(cell, names[index], index === 0)));
  return line;
}

function labelled(content, name, first) {
  const cell = made(first ? "th" : "td", content instanceof Element ? "" : content, { "data-label": name });
  if (first) cell.scope = "row";
  if (content instanceof Element) cell.append(content);
  return cell;
}

/** Show how something is: `tone` is good, bad, busy or off; the colour never stands alone. */
export function showState(element, tone, text) {
  element.dataset.tone = tone;
  explain(element, text);
}

/** Draw an encoded picture on a canvas. Returns whether this browser can decode it. */
export async function paint(canvas, blob) {
  const picture = await createImageBitmap(blob).catch(() => null);
  canvas.hidden = picture === null;
  if (picture === null) return false;
  [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  return true;
}

/** Put text on the clipboard, also over plain HTTP, where browsers do not offer `navigator.clipboard`. */
export async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = made("textarea", text, { class: "visually-hidden", readonly: "" });
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
