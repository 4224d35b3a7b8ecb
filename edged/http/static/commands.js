// What the page just did, for a terminal. A picture is too long for an argument: it goes in by stdin.

/** Commands for curl and for mosquitto that ask a service the same. */
export function commands(node, service, options, file) {
  const head = Object.entries(options).map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}, `);
  const quoted = quote(file);
  const body = [
    `(printf '%s' ${quote(`{${head.join("")}"image": "`)}`,
    ` base64 < ${quoted} | tr -d '\\n'`,
    ` printf '"}')`,
  ].join(";");
  const token = localStorage.getItem("token") ? ` \\\n  -H "Authorization: Bearer $EDGED_TOKEN"` : "";
  const url = new URL(`api/predict/${service}`, document.baseURI);
  return {
    curl: `${body} |\ncurl -sS ${quote(url.href)} --data-binary @- \\\n  -H 'Content-Type: application/json'${token}`,
    mqtt:
      `mosquitto_sub -C 1 -t ${quote(`edged/${node}/response/${service}/+`)} & sleep 1\n` +
      `${body} |\nmosquitto_pub -q 1 -s -t ${quote(`edged/${node}/request/${service}`)}`,
  };
}

/** A word of the shell, quoted only where it must be. */
function quote(text) {
  return /^[\w./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
