// The list of objects: which is worked on, its class, whether it is shown.

import { element } from "/static/lib/dom.js";

/**
 * Draws the list. chosen(index), renamed(index, name), toggled(index) and removed(index) are called as their names say.
 */
export function objectList(drawing, palette, { chosen, renamed, toggled, removed }) {
  if (!drawing.objects.length) return [element("li", { class: "faint", textContent: "None yet: click on one in the picture." })];
  return drawing.objects.map((object, index) => {
    const active = index === drawing.active;
    const number = element("button", {
      class: "number",
      type: "button",
      textContent: index + 1,
      title: "Work on this object",
      "aria-label": `Work on object ${index + 1}`,
      "aria-pressed": String(active),
      onclick: () => chosen(index),
    });
    number.style.borderLeftColor = palette[object.colour];
    const name = element("input", {
      value: object.name,
      maxLength: 80,
      list: "annotate-classes",
      "aria-label": `Class of object ${index + 1}`,
      onfocus: (event) => event.target.select(),
      onchange: (event) => renamed(index, event.target.value.trim() || "object"),
      onkeydown: (event) => event.key === "Enter" && event.target.blur(),
    });
    const show = element("button", {
      type: "button",
      textContent: object.shown ? "Hide" : "Show",
      "aria-label": `${object.shown ? "Hide" : "Show"} object ${index + 1}`,
      onclick: () => toggled(index),
    });
    const remove = element("button", {
      type: "button",
      textContent: "✕",
      title: "Remove this object",
      "aria-label": `Remove object ${index + 1}`,
      onclick: () => removed(index),
    });
    return element("li", { class: active ? "active" : "" }, number, name, show, remove);
  });
}
