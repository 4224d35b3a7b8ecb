// The list of events, newest first, each with its picture and its recording.

import { copyOf, one, say } from "./dom.js";
import { askJson, Gone, Refused } from "./server.js";
import { duration, timeOf } from "./words.js";

const EVERY_MS = 5_000;
const MOST_ROWS = 30;
const AGAIN_MS = 2_000; // a picture is written a little later than its event
const TRIES = 4;

let asked = -Infinity;
let newest = 0;

/** Show what happened; asks the server now and then, and nothing where nothing is kept. */
export async function showEvents({ units, streams }) {
  one("#events").hidden = units.events !== "running";
  if (one("#events").hidden || performance.now() - asked < EVERY_MS) return;
  asked = performance.now();
  try {
    const { events } = await askJson(`api/events?limit=${MOST_ROWS}&after=${newest}`);
    newest = events[0]?.number ?? newest;
    show(events, new Set(streams.map(({ name }) => name)).size > 1);
  } catch (error) {
    if (!(error instanceof Gone || error instanceof Refused)) throw error; // the next look says more
  }
}

function show(events, several) {
  const list = one("#events ol");
  list.prepend(...events.map((event) => row(event, several)));
  while (list.children.length > MOST_ROWS) list.lastElementChild.remove();
  one("#events .empty").hidden = list.children.length > 0;
}

function row(event, several) {
  const item = copyOf("event");
  const at = event.ended_at ?? event.began_at;
  say(one(".what", item), happened(event));
  say(one(".from", item), several ? event.stream : "");
  say(one("time", item), at ? `${new Date(at).toLocaleDateString()} ${timeOf(at)}` : "clock not set");
  if (at) one("time", item).dateTime = at;
  if (event.phase !== "end") picture(one(".picture", item), event.snapshot);
  const recording = here(event.recording);
  one(".recording", item).hidden = recording === null || event.phase === "end";
  if (recording !== null) one(".recording", item).href = recording;
  return item;
}

/** An event in words. */
function happened({ event, phase, class: who, line, zone, rule, direction, text, reason, began_at, ended_at }) {
  const lasted = began_at && ended_at ? ` after ${duration((new Date(ended_at) - new Date(began_at)) / 1000)}` : "";
  const why = phase === "end" && reason !== "over" ? ` (${reason})` : "";
  if (event === "line") return `${who ?? "somebody"} crossed ${line}, ${direction}`;
  if (event === "zone") return `${who ?? "somebody"} ${phase === "end" ? "left" : "entered"} ${zone}${lasted}${why}`;
  const what = text ? `${rule}: “${text}”` : rule;
  return { begin: `${what} began`, end: `${what} ended${lasted}${why}`, once: what }[phase];
}

/** An artefact as this server gives it, whatever address clients elsewhere need; null where it has none. */
function here(address) {
  const id = /\/artefacts\/([0-9a-f]{32}\.\w+)$/.exec(address ?? "");
  return id && `artefacts/${id[1]}`;
}

function picture(link, address) {
  const where = here(address);
  if (where === null) return;
  const image = one("img", link);
  let tries = 0;
  image.addEventListener("error", () => {
    tries += 1;
    link.hidden = tries === TRIES;
    if (!link.hidden) setTimeout(() => { image.src = `${where}?${tries}`; }, AGAIN_MS);
  });
  link.href = image.src = where;
  link.hidden = false;
}
