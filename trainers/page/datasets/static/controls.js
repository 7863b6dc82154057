// What is chosen of a sample: a layer, what is drawn over it, how much of the frame is seen, and where its tree is cut.

import { element, field } from "/static/lib/dom.js";
import { legend } from "./flow.js";

const WHEEL = 56;

export class Controls {
  /** chosen: {title, overlays, over, merges}; state: {layers, layer, full}. Both are changed, and redraw() is called then. */
  constructor(state, chosen, overlays, redraw) {
    Object.assign(this, { state, chosen, redraw });
    this.layers = state.layers.map((layer) => this._button(layer.title, () => this._choose(layer)));
    const over = overlays.map(({ name, title }) => {
      const button = this._button(title, () => {
        if (!chosen.overlays.delete(name)) chosen.overlays.add(name);
        button.setAttribute("aria-pressed", chosen.overlays.has(name));
        redraw();
      });
      button.setAttribute("aria-pressed", chosen.overlays.has(name));
      return button;
    });
    this.own = element("div", { class: "side" });
    this.root = element("div", { class: "side controls" },
      element("div", { class: "row", role: "group", "aria-label": "Picture" }, this.layers),
      over.length ? element("div", { class: "row", role: "group", "aria-label": "Over it" }, element("span", { class: "faint", textContent: "Over it:" }), over) : null,
      this.own,
    );
    this._pressed();
  }

  /** Fits the sliders to what was drawn: {tree, full}. */
  drawn({ tree, full }) {
    const of = `${this.state.layer.title} ${this.state.layer.kind}`;
    if (this.fitted === of) return;
    this.fitted = of;
    const { kind } = this.state.layer;
    const sliders = [];
    if (kind === "regions") sliders.push(this._merges(tree));
    if (kind === "flow" || kind === "beside") sliders.push(this._full(full));
    if (kind !== "image") sliders.push(this._over());
    this.own.replaceChildren(...sliders);
  }

  _choose(layer) {
    this.state.layer = layer;
    this.state.full = undefined;
    this.chosen.title = layer.title;
    this._pressed();
    this.redraw();
  }

  _pressed() {
    this.state.layers.forEach((layer, i) => this.layers[i].setAttribute("aria-pressed", layer === this.state.layer));
  }

  _button(textContent, onclick) {
    return element("button", { type: "button", textContent, onclick });
  }

  _slider(label, range, set) {
    const oninput = (event) => {
      set(Number(event.target.value));
      this.redraw();
    };
    return field(label, element("input", { type: "range", ...range, oninput }));
  }

  _merges(tree) {
    const { chosen } = this;
    const max = tree.leaves - 1;
    return this._slider("Merge regions, the weakest boundary first", { min: 0, max, step: 1, value: Math.min(chosen.merges, max) }, (value) => (chosen.merges = value));
  }

  _over() {
    const { chosen } = this;
    return this._slider("The frame seen through it", { min: 0, max: 1, step: 0.05, value: chosen.over }, (value) => (chosen.over = value));
  }

  _full(full) {
    const most = Math.max(4, Math.ceil(4 * full));
    const slider = this._slider("Speed of full colour", { min: 0.25, max: most, step: 0.25, value: full }, (value) => (this.state.full = value));
    const wheel = legend(WHEEL);
    wheel.setAttribute("role", "img");
    wheel.setAttribute("aria-label", "The colours of directions: right of the middle is the colour of going right");
    return element("div", { class: "wheel" }, wheel, slider);
  }
}
