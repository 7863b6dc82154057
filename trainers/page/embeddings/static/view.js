// A picture with a heat over it, in which a pixel is chosen by mouse, finger or arrow keys.

import { element } from "/static/lib/dom.js";
import { greyed } from "./colours.js";

const DARK = "#000c";

/** A picture; chosen(view, point) is called with a point in pixels of the picture itself, removed(view) by its button. */
export class View {
  constructor(id, name, chosen, removed) {
    Object.assign(this, { id, name, chosen, about: undefined, error: "", overlay: undefined, opacity: 1, grey: false, mark: undefined, best: undefined });
    this.canvas = element("canvas", { tabindex: 0, role: "application", "aria-label": `${name}: choose a pixel by arrow keys`, width: 4, height: 3 });
    this.words = element("span");
    const button = element("button", { type: "button", "aria-label": `Remove ${name}`, title: "Remove", textContent: "✕", onclick: () => removed(this) });
    this.root = element("figure", {}, this.canvas, element("figcaption", {}, this.words, button));
    this._listen();
    this.say("waiting");
  }

  get ready() {
    return Boolean(this.about && this.picture);
  }

  say(words, bad = false) {
    this.words.replaceChildren(element("b", { textContent: this.name }), " ", element("span", { class: bad ? "bad" : "faint", textContent: words }));
  }

  /** Takes the picture as the network sees it, and what the server says of it. */
  take(picture, about) {
    Object.assign(this, { picture, greyed: greyed(picture), about, error: "", overlay: undefined, values: undefined });
    this.canvas.width = picture.width;
    this.canvas.height = picture.height;
    this.redraw();
  }

  fail(message) {
    Object.assign(this, { error: message, about: undefined, overlay: undefined });
    this.say(message, true);
    this.redraw();
  }

  redraw() {
    this._asked ??= requestAnimationFrame(() => {
      this._asked = undefined;
      if (this.picture) this._draw();
    });
  }

  _draw() {
    const context = this.canvas.getContext("2d");
    context.globalAlpha = 1;
    context.drawImage(this.overlay && this.grey ? this.greyed : this.picture, 0, 0);
    if (this.overlay && this.about) {
      // The first vector is at the middle of the first pixel; one more than there are reaches the far edges.
      const { stride, columns, rows } = this.about;
      context.globalAlpha = this.opacity;
      context.imageSmoothingEnabled = true;
      context.drawImage(this.overlay, 0.5 - stride / 2, 0.5 - stride / 2, (columns + 1) * stride, (rows + 1) * stride);
      context.globalAlpha = 1;
    }
    const unit = this.canvas.width / Math.max(this.canvas.clientWidth, 1);
    if (!this.about) return;
    if (this.best && !this.mark) this._ring(context, this.best, 8 * unit, unit, false);
    if (this.mark) this._ring(context, this.mark, 9 * unit, unit, true);
  }

  /** A ring where the best match is; with a cross in it where the chosen pixel is. */
  _ring(context, point, radius, unit, crossed) {
    const [x, y] = [(point.x + 0.5) * this._scale.x, (point.y + 0.5) * this._scale.y];
    for (const [colour, width] of [[DARK, 4], ["#fff", 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * unit;
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      if (crossed) {
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          context.moveTo(x + 3 * unit * dx, y + 3 * unit * dy);
          context.lineTo(x + 1.7 * radius * dx, y + 1.7 * radius * dy);
        }
      }
      context.stroke();
    }
  }

  /** Pixels that are shown for each of the picture itself. */
  get _scale() {
    return { x: this.picture.width / this.about.width, y: this.picture.height / this.about.height };
  }

  _listen() {
    const canvas = this.canvas;
    const at = (event) => {
      if (!this.ready) return;
      const box = canvas.getBoundingClientRect();
      const { width, height } = this.about;
      this._choose({ x: ((event.clientX - box.left) / box.width) * width - 0.5, y: ((event.clientY - box.top) / box.height) * height - 0.5 });
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      at(event);
    });
    canvas.addEventListener("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && at(event));
    canvas.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!this.ready || (!to && event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      const { width, height, stride } = this.about;
      const from = this.mark ?? this.best ?? { x: (width - 1) / 2, y: (height - 1) / 2 };
      const [dx, dy] = (to ?? [0, 0]).map((one) => one * stride * (event.shiftKey ? 8 : 1));
      this._choose({ x: from.x + dx / this._scale.x, y: from.y + dy / this._scale.y });
    });
  }

  _choose({ x, y }) {
    const { width, height } = this.about;
    this.chosen(this, { x: Math.min(Math.max(x, 0), width - 1), y: Math.min(Math.max(y, 0), height - 1) });
  }
}
