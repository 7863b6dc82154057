// Answers that come in parts, while the server still computes: see routes.py.

const HEAD = 5; // bytes: a letter, and the length

/** Yields {kind, data} as they come. */
export async function* partsOf(answer) {
  const reader = answer.body.getReader();
  let bytes = new Uint8Array(0);
  while (true) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes = joined(bytes, value);
    let length;
    while (bytes.length >= HEAD && bytes.length >= (length = HEAD + new DataView(bytes.buffer, bytes.byteOffset).getUint32(1))) {
      const kind = String.fromCharCode(bytes[0]);
      const data = bytes.slice(HEAD, length);
      bytes = bytes.subarray(length);
      if (kind === "e") throw new Error(new TextDecoder().decode(data));
      yield { kind, data };
    }
  }
  if (bytes.length) throw new Error("The answer ended early: try again.");
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Decodes a picture that came within JSON. */
export async function decoded(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes]));
}
