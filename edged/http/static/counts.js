// The tables of zones and lines: who is in each zone now, and how many crossed each line today.

import { one, row } from "./dom.js";
import { askJson, Gone, Refused } from "./server.js";
import { amounts, timeOf } from "./words.js";

const EVERY_MS = 5_000;
const ZONES = ["Stream", "Zone", "Inside", "Who", "The longest since"]; // as in the tables' heads, which small screens do without
const LINES = ["Stream", "Line", "In today", "Out today"];
const UNSET = "clock not set";

let asked = -Infinity;

/** Show the zones and lines of the streams of a status, and nothing where there are none; asks the server for lines now and then. */
export async function showCounts({ streams, clock }) {
  const zones = streams.flatMap(({ name, zones }) => Object.entries(zones).map(([zone, said]) => [name, zone, said]));
  const counted = streams.filter(({ lines }) => lines.length > 0);
  one("#counts").hidden = zones.length === 0 && counted.length === 0;
  one("#counts .zones").hidden = zones.length === 0;
  for (const element of document.querySelectorAll("#counts .lines")) element.hidden = counted.length === 0;
  one("#counts .zones tbody").replaceChildren(...zones.map((cells) => row(ZONES, inside(...cells))));
  if (counted.length === 0 || performance.now() - asked < EVERY_MS) return;
  asked = performance.now();
  try {
    fill(counted, clock === "unsynced" ? null : (await askJson("api/counts")).rows);
  } catch (error) {
    if (!(error instanceof Gone || error instanceof Refused)) throw error; // the next look says more
  }
}

/** Since when by the clock, for that of who looks may be another than the box's. */
function inside(stream, zone, { count, by_class: classes, longest_since: since }) {
  return [stream, zone, count ?? "not known now", amounts(Object.entries(classes ?? {})), since ? timeOf(since) : ""];
}

/** `rows` is null where nobody has set the clock: then nobody knows what today is. */
function fill(streams, rows) {
  const lines = streams.flatMap(({ name, lines }) => lines.map((line) => [name, line]));
  const shown = lines.map(([stream, line]) => {
    if (rows === null) return row(LINES, [stream, line, UNSET, UNSET]);
    const own = rows.filter((row) => row.stream === stream && row.line === line);
    const sum = (way) => own.reduce((total, row) => total + row[way], 0);
    return row(LINES, [stream, line, sum("in"), sum("out")]);
  });
  one("#counts .lines tbody").replaceChildren(...shown);
}
