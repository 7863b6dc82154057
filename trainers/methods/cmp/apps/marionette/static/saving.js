// Animations as files, which the browser keeps: nothing is written on the server.

import { post } from "/static/lib/api.js";
import { partsOf } from "./parts.js";

const TYPES = { mp4: "video/mp4", gif: "image/gif" };

/** Asks for a file of an animation, "mp4" or "gif"; said(text, share) is told how far it is. */
export async function fileOf(kind, body, said, signal) {
  const answer = await post(`/api/marionette/save/${kind}`, body, signal);
  let made = 0;
  for await (const part of partsOf(answer)) {
    if (part.kind === "f") return new Blob([part.data], { type: TYPES[kind] });
    made += 1;
    said(made < body.frames ? `Making frame ${made + 1} of ${body.frames}…` : "Writing the file…", made / body.frames);
  }
  throw new Error("The file did not come whole: try again.");
}

/** Lets the browser keep a file. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
