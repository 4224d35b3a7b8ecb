// The table of services: what fulfils each, where, how fast, and what to do when it does not run.

import { copyOf, one, say, showState } from "./dom.js";
import { milliseconds } from "./words.js";

const FEW = 3; // idle services that are shown without being asked for
const rows = new Map(); // by the service's name

/** Show the services of a status; many that are idle only when they are asked for. */
export function showServices(services) {
  const names = new Set(services.map(({ service }) => service));
  for (const [name, row] of rows) {
    if (names.has(name)) continue;
    row.remove();
    rows.delete(name);
  }
  for (const facts of services) fill(rows.get(facts.service) ?? added(facts.service), facts);
  one("#services table").hidden = services.length === 0;
  one("#services .empty").hidden = services.length > 0;
  showIdle(services.filter(({ state }) => state === "idle"));
}

function showIdle(idle) {
  const [button, table] = [one("#services .idle"), one("#services table")];
  button.hidden = idle.length <= FEW;
  const shown = button.hidden || button.ariaExpanded === "true";
  say(button, `${shown ? "Hide" : "Show"} ${idle.length} idle services`);
  button.onclick = () => {
    button.ariaExpanded = String(!shown);
    showIdle(idle);
  };
  for (const row of table.tBodies[0].rows) row.hidden = false;
  if (!shown) for (const { service } of idle) rows.get(service).hidden = true;
}

function added(name) {
  const row = copyOf("service");
  rows.set(name, row);
  one("#services tbody").append(row);
  return row;
}

function fill(row, { service, model, variant, device, latency_ms, state, preparing, why }) {
  const facts = { model, variant, device, latency: milliseconds(latency_ms) };
  const tone = { running: "good", idle: "off", loading: "busy" }[state] ?? "bad";
  say(one(".service", row), service);
  for (const [name, fact] of Object.entries(facts)) {
    const cell = one(`.${name}`, row);
    say(cell, fact || "–");
    cell.hidden = tone === "bad"; // then the reason needs the room
    cell.classList.toggle("none", !fact); // small screens do without
  }
  one(".how", row).colSpan = tone === "bad" ? Object.keys(facts).length + 1 : 1;
  showState(one(".state", row), why ? "busy" : tone, why ? `${state}, on the CPU: ${why}` : state);
  say(one(".preparing", row), preparing);
}
