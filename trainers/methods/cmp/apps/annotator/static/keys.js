// What keys do, and the list of them that the page shows.

import { element } from "/static/lib/dom.js";

const ROWS = [
  ["1 2 3 4", "tools"],
  ["[ ]", "brush smaller, larger"],
  ["z y", "undo, redo"],
  ["a", "add an object"],
  ["Delete", "remove it"],
  ["h", "hide masks"],
  ["d", "done, and to the next"],
  ["PageUp PageDown", "previous, next image"],
  ["Arrows Enter", "move under the cross, click (Shift: the other way)"],
  ["+ - 0", "zoom, all of it"],
];

export function keyList() {
  return element(
    "details",
    { class: "keys" },
    element("summary", { textContent: "Mouse, fingers and keys" }),
    element("p", { textContent: "Right button or Shift: − instead of +, erase instead of paint. Wheel or two fingers: zoom. Drag: move." }),
    element("dl", {}, ROWS.map(([keys, what]) => [element("dt", {}, keys.split(" ").map((key) => element("kbd", { textContent: key }))), element("dd", { textContent: what })]).flat()),
  );
}

/** Listens for keys outside of text fields; gives what ends it. `actions` has functions by key. */
export function listen(actions) {
  const pressed = (event) => {
    if (event.target.closest("input:not([type=range]), select, textarea, dialog") || event.altKey) return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (control && key !== "z" && key !== "y") return;
    const action = control && key === "z" && event.shiftKey ? actions.y : actions[key];
    if (!action || (key === "Enter" && event.target.tagName !== "CANVAS")) return;
    event.preventDefault();
    action(event);
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}
