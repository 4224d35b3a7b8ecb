// The table of actions: whether their messages arrive, and how many wait.

import { made, one, showState } from "./dom.js";

const LABELS = ["By", "Waiting", "State"]; // as in the table's head, which small screens do without

/** Show the actions of a status; nothing where there are none. */
export function showActions(actions) {
  one("#actions").hidden = actions.length === 0;
  one("#actions tbody").replaceChildren(...actions.map(row));
}

function row({ name, kind, waiting, why }) {
  const [line, state] = [made("tr"), made("span", "", { class: "state" })];
  showState(state, why ? "bad" : "good", why || "well");
  const cells = [kind, waiting, ""].map((text, n) => made("td", text, { "data-label": LABELS[n] }));
  cells[2].className = "how";
  cells[2].append(state);
  line.append(made("th", name, { scope: "row" }), ...cells);
  return line;
}
