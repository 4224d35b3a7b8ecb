// The way to the server: questions, refusals, and the stream of results.

const PATIENCE_MS = 8_000;
const RETRY_MS = 2_000;

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
 * GET, or POST when there is a body. Returns the response.
 * Throws `Refused` with the server's own sentence, `Gone`, or `AbortError` when `signal` said so.
 */
export async function ask(path, body = undefined, signal = undefined) {
  const request = { signal: signal ?? AbortSignal.timeout(PATIENCE_MS) };
  if (body !== undefined) {
    request.method = "POST";
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, request);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Gone("the server does not answer");
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refused(response.status, said.error_msg ?? `the server answered ${response.status}`);
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
