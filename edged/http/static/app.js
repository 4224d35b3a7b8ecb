// The page of a running daemon: asks how it is every few seconds, and hands the answer to the sections.

import { Attempt } from "./attempt.js";
import { showActions } from "./actions.js";
import { showCounts } from "./counts.js";
import { one, say, showState } from "./dom.js";
import { showEvents } from "./events.js";
import { ResultList } from "./results.js";
import { ask, askJson, Gone, Refused, Results } from "./server.js";
import { showServices } from "./services.js";
import { Streams } from "./streams.js";
import { duration } from "./words.js";

const EVERY_MS = 2_000;

const streams = new Streams();
const list = new ResultList();
const attempt = new Attempt();
const results = new Results((message) => {
  streams.hear(message);
  list.hear(message);
});

let away = false;
let timer = 0;

async function look() {
  try {
    const [status, ready] = await Promise.all([askJson("api/status"), isReady()]);
    await show(status, ready);
  } catch (error) {
    if (error instanceof Refused && error.code === 401) return enter();
    missing(error);
    if (!(error instanceof Gone || error instanceof Refused)) throw error;
  } finally {
    clearTimeout(timer); // two may have looked at the same time
    if (!document.hidden && one("#login").hidden) timer = setTimeout(look, EVERY_MS);
  }
}

async function isReady() {
  try {
    await ask("v2/health/ready");
    return true;
  } catch (error) {
    if (error instanceof Refused) return false;
    throw error;
  }
}

async function show(status, ready) {
  header(status, ready);
  one("main").hidden = false;
  one("#gone").hidden = true;
  one("#login").hidden = true;
  one("main").classList.remove("stale");
  if (away) streams.reopen();
  away = false;
  streams.show(status.streams, status.node);
  list.offer(status.streams.map((stream) => stream.name));
  showServices(status.services);
  showActions(status.actions);
  await showCounts(status);
  await showEvents(status);
  results.open();
  await attempt.show(status);
}

function header({ node, version, uptime_s, mqtt }, ready) {
  document.title = `${node} · edged`;
  say(one("#node"), node);
  say(one("#version"), `version ${version}`);
  say(one("#uptime"), `up ${duration(uptime_s)}`);
  showState(one("#ready"), ready ? "good" : "busy", ready ? "ready" : "not ready");
  one("#broker").hidden = false;
  showState(one("#broker"), mqtt.state === "running" ? "good" : "bad", mqtt.state === "running" ? "MQTT" : `MQTT: ${mqtt.state}`);
}

function missing(error) {
  away = true;
  one("main").classList.add("stale");
  showState(one("#ready"), "bad", "no answer");
  one("#broker").hidden = true;
  say(one("#uptime"), "");
  say(one("#gone"), error instanceof Gone ? "The server does not answer. Trying again…" : `${error.message}. Trying again…`);
  one("#gone").hidden = false;
}

/** The server wants a token: ask for it once, then go on. */
function enter() {
  results.close();
  showState(one("#ready"), "off", "locked");
  one("main").hidden = true;
  one("#gone").hidden = true;
  one("#login").hidden = false;
  one("#login input").focus();
}

one("#login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  try {
    await ask("api/login", { token: form.token.value });
    localStorage.setItem("token", "wanted"); // the commands of "Try a service" then name it
    form.reset();
    say(one(".fault", form), "");
    await look();
  } catch (error) {
    say(one(".fault", form), error.code === 401 ? "This is not the token of this box." : error.message);
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return results.close();
  look();
});

look();
