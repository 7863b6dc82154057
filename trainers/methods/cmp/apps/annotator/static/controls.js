// What is beside the picture: the choice of the image, tools, the list of objects, and how all of it stands.

import { choice, element, field } from "/static/lib/dom.js";
import { noModel } from "/static/lib/models.js";
import { exportButtons } from "./exports.js";
import { keyList } from "./keys.js";
import { objectList } from "./side.js";

export const TOOLS = [
  ["plus", "+ Click", "Click on what belongs to the object"],
  ["minus", "− Click", "Click on what does not belong to it"],
  ["brush", "Brush", "Paint pixels in"],
  ["eraser", "Eraser", "Take pixels out"],
];
export const SIZES = [1, 2, 3, 5, 8, 12, 20, 32, 50, 80];

/** Shows a page's state, and calls its methods. */
export class Controls {
  constructor(page) {
    this.page = page;
    this._build();
  }

  _build() {
    const { page } = this;
    const button = (text, title, onclick, more = {}) => element("button", { type: "button", textContent: text, title, onclick, ...more });
    this.names = element("select", { "aria-label": "Image", onchange: (event) => page.load(Number(event.target.value)) });
    this.names.append(...page.images.map((one, value) => element("option", { value, textContent: titled(one) })));
    this.previous = button("‹", "Previous image (PageUp)", () => page.step(-1), { "aria-label": "Previous image" });
    this.next = button("›", "Next image (PageDown)", () => page.step(1), { "aria-label": "Next image" });
    this.doneButton = button("Done", "Done with this image, and to the next (d)", () => page.toggleDone(), { class: "primary" });
    this.progress = element("span", { class: "faint" });
    this.toolButtons = TOOLS.map(([name, text, title], i) => button(text, `${title} (${i + 1})`, () => page.setTool(name)));
    this.undo = button("Undo", "Undo (z)", () => page.change((drawing) => drawing.undo()));
    this.redo = button("Redo", "Redo (y)", () => page.change((drawing) => drawing.redo()));
    this.hide = button("Hide masks", "Hide or show all masks (h)", () => page.toggleMasks());
    this.list = element("ol", { class: "objects" });
    this.classes = element("datalist", { id: "annotate-classes" });
    this.slider = element("input", {
      type: "range",
      min: 0.02,
      max: 0.98,
      step: 0.02,
      value: page.threshold,
      oninput: (event) => page.setThreshold(Number(event.target.value), false),
      onchange: (event) => page.setThreshold(Number(event.target.value), true),
    });
    this.size = element("input", { type: "range", min: 0, max: SIZES.length - 1, value: SIZES.indexOf(page.tools.size), oninput: (event) => page.setSize(SIZES[event.target.value]) });
    this.sizeLabel = element("span", {});
    this.root = element("div", { class: "annotate" }, this._bar(), this._tools(), this._stage(), this._side());
  }

  _bar() {
    const { page } = this;
    const row = element("div", { class: "row" }, this.previous, this.names, this.next, this.doneButton, this.progress);
    const note = !page.writable && element("p", { class: "faint", textContent: "Read-only: clicks and the brush can be tried, and nothing is saved." });
    return element("div", { class: "images" }, row, note);
  }

  _tools() {
    return element("div", { class: "tools row", role: "toolbar", "aria-label": "Tools" }, this.toolButtons, this.undo, this.redo, this.hide);
  }

  _stage() {
    const { root } = this.page.editor.stage;
    root.classList.add("picture");
    return root;
  }

  _side() {
    const { page } = this;
    const add = element("button", { type: "button", textContent: "Add object", title: "Add object (a)", onclick: () => page.add() });
    const models = page.models.length
      ? field("Model of the next clicks", choice(page.models.map(({ name }) => [name, name]), page.model, (name) => page.useModel(name)))
      : noModel(["cmp"], page.results);
    const exports = exportButtons({ writable: page.writable, image: () => page.images[page.index].name, saved: () => page.saving?.running });
    return element(
      "div",
      { class: "side" },
      element("div", { class: "row head" }, element("h2", { textContent: "Objects" }), add),
      this.list,
      this.classes,
      element("label", { class: "field" }, "Threshold of the object: less is larger", this.slider),
      element("label", { class: "field" }, this.sizeLabel, this.size),
      models,
      element("h2", { textContent: "Export" }),
      exports,
      keyList(),
    );
  }

  /** Shows what is; the list of objects only where it changed by more than a text that is being written. */
  refresh(listed) {
    const { drawing, images, index, tools, editor } = this.page;
    const done = images.filter((one) => one.done).length;
    this.progress.textContent = `${done} of ${images.length} done`;
    this.doneButton.textContent = images[index].done ? "Not done" : "Done";
    this.doneButton.disabled = !drawing || !this.page.writable;
    this.names.options[index].textContent = titled(images[index]);
    this.names.value = index;
    this.previous.disabled = index === 0;
    this.next.disabled = index === images.length - 1;
    this.undo.disabled = !drawing?.done.length;
    this.redo.disabled = !drawing?.undone.length;
    TOOLS.forEach(([name], i) => this.toolButtons[i].setAttribute("aria-pressed", String(name === tools.tool)));
    this.hide.setAttribute("aria-pressed", String(!editor.shown));
    this.sizeLabel.textContent = `Brush: ${tools.size} ${tools.size === 1 ? "pixel" : "pixels"} wide`;
    if (drawing?.object) this.slider.value = drawing.object.threshold;
    this.classes.replaceChildren(...[...new Set(images.flatMap((one) => one.classes))].map((value) => element("option", { value })));
    if (listed) this._list();
  }

  _list() {
    const { page } = this;
    const { drawing, palette } = page;
    if (!drawing) {
      this.list.replaceChildren();
      return;
    }
    this.list.replaceChildren(
      ...objectList(drawing, palette, {
        chosen: (index) => page.choose(index),
        renamed: (index, name) => page.rename(index, name),
        toggled: (index) => page.toggleShown(index),
        removed: (index) => page.remove(index),
      }),
    );
  }
}

function titled({ name, done }) {
  return `${done ? "✓ " : ""}${name}`;
}
