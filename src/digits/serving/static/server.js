// Requests to the server. All addresses are relative to the page, so it works under any path, such as
// /user/x/proxy/8000/. Between page and server there may be a proxy that answers with its own pages.

const TIMEOUT = 60_000; // ms; longest wait for a complete answer; a photo usually takes less than 2 s
const JSON_TYPE = "application/json";
const LONGEST_REASON = 300; // characters of a server's sentence that are shown
const FOREIGN = "something else answered instead of the server, perhaps a proxy or a login page; open the page again";

/** A request without a usable answer. `message` says why, as a part of a sentence; `status` is the HTTP status,
 *  or 0 if there was no answer. */
export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Return the reason of an error as a part of a sentence. */
export function reason(error) {
  return error instanceof ServerError ? error.message : "the server's answer is not understood; open the page again";
}

/** Send a request; `options` are those of fetch. Returns the answer's JSON object.
 *  Throws a ServerError, or the signal's reason if `options.signal` was aborted. */
export function askJson(address, options) {
  return ask(address, options, JSON_TYPE, async (reply) => {
    const answer = await reply.json();
    if (answer === null || typeof answer !== "object") throw new SyntaxError("not an object");
    return answer;
  });
}

/** Send a request whose answer has the Content-Type `type`; returns the answer as a Blob. Throws as askJson. */
export function askBlob(address, type, options) {
  return ask(address, options, type, (reply) => reply.blob());
}

async function ask(address, options, type, read) {
  const limit = new AbortController(), signal = options?.signal, stop = () => limit.abort();
  const timer = setTimeout(stop, TIMEOUT);
  signal?.addEventListener("abort", stop);
  try {
    signal?.throwIfAborted();
    const reply = await fetch(address, { ...options, signal: limit.signal });
    if (!reply.ok) throw await refusal(reply);
    if (typeOf(reply) !== type) throw new ServerError(FOREIGN, reply.status);
    return await read(reply);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof ServerError) throw error;
    if (error instanceof SyntaxError) throw new ServerError(FOREIGN);
    throw new ServerError(limit.signal.aborted ? `there was no answer within ${TIMEOUT / 1000} seconds` : "the server does not answer; check that it is running");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

function typeOf(reply) {
  return (reply.headers.get("Content-Type") ?? "").split(";")[0].trim().toLowerCase();
}

/** Return the ServerError for an answer with a status of 400 to 599. */
async function refusal(reply) {
  const { status } = reply, said = typeOf(reply) === JSON_TYPE ? await reply.json().catch(() => null) : null;
  if (status === 429 || status === 503) return new ServerError(`the server is busy; try again ${later(reply)}`, status);
  if (typeof said?.error === "string") return new ServerError(said.error.slice(0, LONGEST_REASON), status);
  if (status === 413) return new ServerError("it is too large for a proxy between this page and the server; send a smaller one", status);
  if (status === 502 || status === 504) return new ServerError("a proxy answered that the server cannot be reached", status);
  return new ServerError(`${FOREIGN} (status ${status})`, status);
}

/** Return when to try again, from the header Retry-After: seconds or a date (RFC 9110, section 10.2.3). */
function later(reply) {
  const said = reply.headers.get("Retry-After") ?? "", seconds = /^\d+$/.test(said) ? Number(said) : (Date.parse(said) - Date.now()) / 1000;
  if (!(seconds >= 0 && seconds < 86_400)) return "soon";
  return seconds > 90 ? `in ${Math.ceil(seconds / 60)} minutes` : `in ${Math.max(1, Math.ceil(seconds))} second${seconds > 1 ? "s" : ""}`;
}
