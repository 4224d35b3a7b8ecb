// The table of actions: whether their messages arrive, and how many wait.

import { made, one, row, showState } from "./dom.js";

const NAMES = ["Action", "By", "Waiting", "State"]; // as in the table's head, which small screens do without

/** Show the actions of a status; nothing where there are none. */
export function showActions(actions) {
  one("#actions").hidden = actions.length === 0;
  one("#actions tbody").replaceChildren(...actions.map(shown));
}

function shown({ name, kind, waiting, why }) {
  const state = made("span", "", { class: "state" });
  showState(state, why ? "bad" : "good", why || "well");
  const line = row(NAMES, [name, kind, waiting, state]);
  line.lastElementChild.className = "how";
  return line;
}
