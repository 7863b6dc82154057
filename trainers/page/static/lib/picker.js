// Choosing a picture to work on: of the given folder, or from this device.

import { address, get, post } from "./api.js";
import { element } from "./dom.js";
import { attempt } from "./status.js";

/** Sends a file of this device; gives its id. */
export async function sendPicture(file) {
  return (await (await post("/api/pictures", file)).json()).id;
}

const thumbOf = (id) => address(`/api/pictures/${id}`);

/**
 * Makes a button that opens the choice, and takes files that are dropped on `target`; calls chosen(id, name), with `several`
 * for each of those that are chosen before it is closed.
 */
export function picker(chosen, target, { several = false } = {}) {
  const label = several ? "Choose pictures" : "Choose a picture";
  const dialog = element("dialog", { "aria-label": label });
  const take = async (files) => {
    for (const file of several ? [...files] : [...files].slice(0, 1)) {
      const id = await attempt(() => sendPicture(file));
      if (id) chosen(id, file.name);
    }
    dialog.close();
  };
  const file = element("input", { type: "file", accept: "image/*", multiple: several, onchange: () => take(file.files), "aria-label": "A picture of this device" });
  target.addEventListener("dragover", (event) => event.preventDefault());
  target.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  });
  const pick = (id, name, button) => {
    if (several) button.setAttribute("aria-pressed", "true");
    else dialog.close();
    chosen(id, name);
  };
  const open = async () => {
    const found = (await attempt(() => get("/api/pictures"))) ?? [];
    const thumbs = found.map(({ id, name }) =>
      element(
        "button",
        { type: "button", title: name, onclick: (event) => pick(id, name, event.currentTarget) },
        element("img", { src: thumbOf(id), loading: "lazy", alt: "" }),
        element("span", { textContent: name }),
      ),
    );
    const close = element("button", { textContent: several ? "Done" : "Close", onclick: () => dialog.close() });
    dialog.replaceChildren(
      element("div", { class: "bar" }, element("label", { class: "field" }, "From this device (or drop a file on the page)", file), close),
      element("div", { class: "thumbs" }, thumbs),
    );
    dialog.showModal();
  };
  target.append(dialog);
  return element("button", { textContent: label, onclick: open });
}
