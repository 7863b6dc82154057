// What members are called on the page.

const CODING = /\.(jpg|png|b2|npy|json)$/;

/** `jpg` is the frame, `next.jpg` the next frame, `truth.flow.b2` the truth's flow. */
export function titleOf(name) {
  const stem = name.replace(CODING, "");
  if (name === "jpg") return "frame";
  if (name.endsWith(".jpg")) return `${stem.replaceAll(".", " ")} frame`;
  return stem.replace(/^truth\./, "true ").replaceAll(".", " ");
}
