// What the server is asked, and errors in its words.

/** Fetches; what went wrong is an error in the words of the server. */
export async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer: is it still running in its terminal?");
  }
  if (answer.ok) return answer;
  let message = answer.statusText;
  const text = await answer.text();
  try {
    message = JSON.parse(text).error;
  } catch {
    if (text) message = text;
  }
  throw Object.assign(new Error(message), { status: answer.status });
}

/** Builds an address: a path and what is asked of it. */
export function address(path, query = {}) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== ""));
  return asked.size ? `${path}?${asked}` : path;
}

export async function get(path, query = {}, signal = undefined) {
  return (await ask(address(path, query), { signal })).json();
}

/** Sends JSON, or bytes; gives the answer itself, whose body is JSON, a picture or a file. */
export async function post(path, body, signal = undefined) {
  const raw = body instanceof Blob || body instanceof ArrayBuffer;
  const headers = { "X-Common-Fate": "1", ...(raw ? {} : { "Content-Type": "application/json" }) };
  return ask(path, { method: "POST", headers, body: raw ? body : JSON.stringify(body), signal });
}

/** Gets or decodes a picture, as a bitmap for a canvas. */
export async function bitmap(source, signal = undefined) {
  const answer = typeof source === "string" ? await ask(source, { signal }) : source;
  return createImageBitmap(await answer.blob());
}

/** Sends only the last of many requests: while one is under way, the newest waits, and those between are left out. */
export function latest(work) {
  let running = false;
  let waiting;
  return async function run(...given) {
    if (running) {
      waiting = given;
      return;
    }
    running = true;
    try {
      await work(...given);
    } finally {
      running = false;
      const next = waiting;
      waiting = undefined;
      if (next) run(...next);
    }
  };
}
