// What the page just did, for a terminal. A picture is too long for an argument: it goes in by stdin.

import { onOneLine } from "./words.js";

const PIECE = /\uE000(.*?)\uE001/su; // what the shell puts in, within a text of JSON
const SENT = "upload";

/**
 * Commands for curl and for mosquitto that ask a service the same. `request` makes the fields of the request out
 * of what stands for a file's Base64, and for the URL of one that is sent ahead.
 */
export function commands(node, service, request) {
  const sent = [];
  const whole = request(
    (name) => `\uE000 base64 < ${quote(name)} | tr -d '\\n'\uE001`,
    (name) => {
      sent.push(name);
      return `\uE000 printf '%s' "$${SENT}"\uE001`;
    },
  );
  const told = (text) => JSON.parse(`"${text}"`);
  const pieces = onOneLine(whole).split(PIECE).map((piece, index) => (index % 2 ? told(piece) : ` printf '%s' ${quote(piece)}`));
  const body = pieces.length > 1 ? `(${pieces.join(";").trim()})` : pieces[0].trim();
  const token = localStorage.getItem("token") ? ` \\\n  -H "Authorization: Bearer $EDGED_TOKEN"` : "";
  const address = (path) => quote(new URL(path, document.baseURI).href);
  const ahead = sent.map((name) => {
    return `${SENT}=$(curl -sS -X POST -T ${quote(name)} ${address("api/uploads")}${token} | grep -o 'upload:[0-9a-f]*')\n`;
  });
  return {
    curl: `${ahead.join("")}${body} |\ncurl -sS ${address(`api/predict/${service}`)} --data-binary @- \\\n  -H 'Content-Type: application/json'${token}`,
    mqtt:
      `${ahead.join("")}mosquitto_sub -C 1 -t ${quote(`edged/${node}/response/${service}/+`)} & sleep 1\n` +
      `${body} |\nmosquitto_pub -q 1 -s -t ${quote(`edged/${node}/request/${service}`)}`,
  };
}

/** A word of the shell, quoted only where it must be. */
function quote(text) {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
