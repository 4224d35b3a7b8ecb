// The table of lines: how many crossed each of them today.

import { one, row } from "./dom.js";
import { askJson, Gone, Refused } from "./server.js";

const EVERY_MS = 5_000;
const NAMES = ["Stream", "Line", "In today", "Out today"]; // as in the table's head, which small screens do without
const UNSET = "clock not set";

let asked = -Infinity;

/** Show the lines of the streams of a status; asks the server now and then, and nothing where there are none. */
export async function showCounts({ streams, clock }) {
  const counted = streams.filter(({ lines }) => lines.length > 0);
  one("#counts").hidden = counted.length === 0;
  if (counted.length === 0 || performance.now() - asked < EVERY_MS) return;
  asked = performance.now();
  try {
    fill(counted, clock === "unsynced" ? null : (await askJson("api/counts")).rows);
  } catch (error) {
    if (!(error instanceof Gone || error instanceof Refused)) throw error; // the next look says more
  }
}

/** `rows` is null where nobody has set the clock: then nobody knows what today is. */
function fill(streams, rows) {
  const lines = streams.flatMap(({ name, lines }) => lines.map((line) => [name, line]));
  const shown = lines.map(([stream, line]) => {
    if (rows === null) return row(NAMES, [stream, line, UNSET, UNSET]);
    const own = rows.filter((row) => row.stream === stream && row.line === line);
    const sum = (way) => own.reduce((total, row) => total + row[way], 0);
    return row(NAMES, [stream, line, sum("in"), sum("out")]);
  });
  one("#counts tbody").replaceChildren(...shown);
}
