// The way to the server: questions, refusals, and the stream of results.

const PATIENCE_MS = 8_000;
const RETRY_MS = 2_000;
const TAKEN_MS = 30_000; // within which a job is written down
const PREDICT = "/api/predict/";
const SILENT = "the server does not answer";

/** The server answered, and said no. */
export class Refused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** The server did not answer at all. */
export class Gone extends Error {}

/**
 * GET, or POST when there is a body; `more`: headers. Returns the response.
 * Throws `Refused` with the server's own sentence, `Gone`, or `AbortError` when `signal` said so.
 */
export async function ask(path, body = undefined, signal = undefined, more = {}) {
  const request = { signal: signal ?? AbortSignal.timeout(PATIENCE_MS), headers: more };
  if (body !== undefined) {
    request.method = "POST";
    request.headers = { "Content-Type": "application/json", ...more };
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Gone(SILENT);
  }
  if (response.ok) return response;
  throw refusal(response.status, await response.json().catch(() => null));
}

/** What is answered to GET, read as JSON. Throws as `ask`. */
export async function askJson(path) {
  const response = await ask(path);
  return response.json().catch(() => {
    throw new Gone(SILENT); // it was cut off
  });
}

const refusal = (code, said) => new Refused(code, said?.error_msg ?? `the server answered ${code}`);

/** Each service's request schema, group and summary, by its name. */
export async function services() {
  const { paths, components } = await askJson("openapi.json");
  const whole = (schema) => (schema.$ref ? components.schemas[schema.$ref.split("/").at(-1)] : schema);
  const found = new Map();
  for (const [path, { post }] of Object.entries(paths)) {
    if (!path.startsWith(PREDICT) || !post) continue;
    const schema = whole(post.requestBody.content["application/json"].schema);
    const properties = Object.entries(schema.properties).map(([name, property]) => [name, whole(property)]);
    const about = { schema: { ...schema, properties: Object.fromEntries(properties) }, group: post.tags[0], about: post.summary };
    found.set(path.slice(PREDICT.length), about);
  }
  return found;
}

/** Send a file ahead of requests; `told` gets the share that is sent. Returns the URL by which they name it. */
export function upload(file, told, signal) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // `fetch` does not say how far it is
    request.open("POST", "api/uploads");
    request.responseType = "json";
    request.upload.addEventListener("progress", ({ loaded, total }) => told(total ? loaded / total : 0));
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(request.response.url);
      else reject(refusal(request.status, request.response));
    });
    request.addEventListener("error", () => reject(new Gone(SILENT)));
    request.addEventListener("abort", () => reject(signal.reason));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

/**
 * Ask for what may take minutes; `told` gets the job's state whenever it changes. Returns it with its answer.
 * Whoever aborts ends the job, too.
 */
export async function job(path, body, told, signal) {
  const taken = await ask(path, body, AbortSignal.timeout(TAKEN_MS), { Prefer: "respond-async" });
  const where = `api/jobs/${(await taken.json()).id}`;
  try {
    const ended = await watched(where, told, signal);
    if (ended.code !== 200) throw refusal(ended.code, ended.answer);
    return ended;
  } finally {
    fetch(where, { method: "DELETE", keepalive: true }).catch(() => {}); // nobody asks for it again
  }
}

function watched(where, told, signal) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(where);
    const end = (settle, value) => {
      source.close();
      settle(value);
    };
    source.addEventListener("progress", ({ data }) => told(JSON.parse(data)));
    source.addEventListener("answer", ({ data }) => end(resolve, JSON.parse(data)));
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) end(reject, new Gone("the box knows nothing of this request any more"));
    });
    signal.addEventListener("abort", () => end(reject, signal.reason));
    if (signal.aborted) end(reject, signal.reason);
  });
}

/** The results of all streams as they come; `heard` gets each message. */
export class Results {
  #heard;
  #source = null;
  #retry = 0;

  constructor(heard) {
    this.#heard = heard;
  }

  open() {
    if (this.#source !== null) return;
    this.#source = new EventSource("api/results");
    this.#source.addEventListener("result", (event) => this.#heard(JSON.parse(event.data)));
    this.#source.addEventListener("error", () => {
      if (this.#source?.readyState !== EventSource.CLOSED) return; // it tries again by itself
      this.close();
      this.#retry = setTimeout(() => this.open(), RETRY_MS);
    });
  }

  close() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }
}
