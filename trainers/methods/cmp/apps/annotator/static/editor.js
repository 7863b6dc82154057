// The picture with its masks and clicks, and what a pointer does on it.

import { Stage } from "/static/lib/stage.js";
import { dab } from "./drawing.js";
import { Layers } from "./layers.js";

const STILL = 5; // pixels of the screen that a finger may move and still click
const INK = { add: "#ffffffb0", erase: "#000000a0" };

/**
 * Shows a drawing and takes clicks and strokes.
 *
 * tools: { tool: "plus" | "minus" | "brush" | "eraser", size }; palette: colours by number.
 * point(at, positive) and stroke(bytes, adds) are told what was marked, in pixels of the picture that is shown.
 */
export class Editor {
  constructor(tools, palette, { point, stroke }) {
    Object.assign(this, { tools, palette, told: { point, stroke }, drawing: null, shown: true, stroking: null, at: null });
    this.stage = new Stage({
      label: "The image: click to say what belongs to the object. With the keyboard: arrows move it under the cross, Enter clicks.",
      draw: (context) => this._draw(context),
      press: (at, event) => this._press(at, event),
      hover: (at) => this._hover(at),
    });
    this.stage.canvas.addEventListener("pointerleave", () => this._hover(null));
    for (const name of ["focus", "blur"]) this.stage.canvas.addEventListener(name, () => this.stage.redraw());
  }

  show(picture, drawing) {
    this.drawing = drawing;
    this.layers = new Layers();
    this.stage.show(picture);
    this.stage.fit();
  }

  /** Nothing is drawn on any more, nor shown. */
  empty() {
    this.drawing = this.stroking = null;
    this.stage.picture = null;
    this.stage.redraw();
  }

  redraw() {
    this.stage.redraw();
  }

  /** Marks the place under the cross, the middle of what is shown, with the tool in hand. */
  mark(otherwise) {
    const middle = this._middle();
    if (!this.drawing || !this.stage.inside(middle)) return;
    if (this._brushes) {
      this._begin(middle, (this.tools.tool === "brush") !== otherwise);
      this._end();
    } else this.told.point(middle, (this.tools.tool === "plus") !== otherwise);
  }

  get _brushes() {
    return this.tools.tool === "brush" || this.tools.tool === "eraser";
  }

  _middle() {
    const box = this.stage.canvas.getBoundingClientRect();
    return this.stage.point({ clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 });
  }

  _press(at, event) {
    if (!this.drawing || event.button === 1) return undefined;
    const otherwise = event.button === 2 || event.shiftKey;
    if (this._brushes) {
      this._begin(at, (this.tools.tool === "brush") !== otherwise);
      return { move: (to) => this._paint(to), up: () => this._end(), cancel: () => this._cancel() };
    }
    const positive = (this.tools.tool === "plus") !== otherwise;
    return this._clickOrMove(at, positive, event);
  }

  /** What moves before it is let go moves the picture, and clicks nothing. */
  _clickOrMove(at, positive, { clientX, clientY }) {
    let moving = false;
    let last = [clientX, clientY];
    const move = (_, event) => {
      moving ||= Math.hypot(event.clientX - clientX, event.clientY - clientY) > STILL;
      if (!moving) return;
      this.stage.x += event.clientX - last[0];
      this.stage.y += event.clientY - last[1];
      last = [event.clientX, event.clientY];
      this.stage.redraw();
    };
    const up = () => {
      if (!moving && this.stage.inside(at)) this.told.point(at, positive);
    };
    return { move, up };
  }

  _hover(at) {
    this.at = at;
    if (this._brushes) this.stage.redraw();
  }

  _begin(at, adds) {
    const { width, height } = this.drawing;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    this.stroking = { bytes: new Uint8Array(width * height), canvas, adds, last: at };
    this._paint(at);
  }

  _paint(to) {
    if (!this.stroking || !this.drawing) return;
    const { bytes, canvas, adds, last } = this.stroking;
    const { width, height } = this.drawing;
    const fine = this.tools.size === 1; // a brush of one pixel always meets one
    const place = ({ x, y }) => (fine ? { x: Math.round(x), y: Math.round(y) } : { x, y });
    const before = bytes.slice();
    dab(bytes, width, height, place(last), place(to), this.tools.size / 2);
    const context = canvas.getContext("2d");
    context.fillStyle = adds ? INK.add : INK.erase;
    for (let i = 0; i < bytes.length; i++) if (bytes[i] && !before[i]) context.fillRect(i % width, Math.floor(i / width), 1, 1);
    this.stroking.last = to;
    this.at = to;
    this.stage.redraw();
  }

  _end() {
    if (!this.stroking) return;
    const { bytes, adds } = this.stroking;
    this.stroking = null;
    if (bytes.includes(1)) this.told.stroke(bytes, adds);
    this.stage.redraw();
  }

  _cancel() {
    this.stroking = null;
    this.stage.redraw();
  }

  _draw(context) {
    if (!this.drawing) return;
    context.imageSmoothingEnabled = false;
    if (this.shown) this.layers.draw(context, this.drawing, this.palette);
    if (this.stroking) context.drawImage(this.stroking.canvas, -0.5, -0.5);
    for (const point of this.drawing.object?.points ?? []) this._point(context, this.drawing.seen(point), point.positive);
    if (this._brushes && this.at) this._circle(context, this.at);
    if (this.stage.canvas.matches(":focus-visible")) this._cross(context);
  }

  _point(context, { x, y }, positive) {
    const unit = this.stage.unit;
    context.beginPath();
    context.arc(x, y, 8 * unit, 0, 2 * Math.PI);
    context.fillStyle = positive ? "#18794e" : "#b3261e";
    context.strokeStyle = "#fff";
    context.lineWidth = 2 * unit;
    context.fill();
    context.stroke();
    context.beginPath();
    context.moveTo(x - 4 * unit, y);
    context.lineTo(x + 4 * unit, y);
    if (positive) {
      context.moveTo(x, y - 4 * unit);
      context.lineTo(x, y + 4 * unit);
    }
    context.stroke();
  }

  _circle(context, { x, y }) {
    for (const [colour, wide] of [["#000", 3], ["#fff", 1.5]]) {
      context.beginPath();
      context.arc(x, y, this.tools.size / 2, 0, 2 * Math.PI);
      context.strokeStyle = colour;
      context.lineWidth = wide * this.stage.unit;
      context.stroke();
    }
  }

  _cross(context) {
    const { x, y } = this._middle();
    const unit = this.stage.unit;
    for (const [colour, wide] of [["#000", 4], ["#fff", 2]]) {
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 4 * dx * unit, y + 4 * dy * unit);
        context.lineTo(x + 14 * dx * unit, y + 14 * dy * unit);
      }
      context.strokeStyle = colour;
      context.lineWidth = wide * unit;
      context.stroke();
    }
  }
}
