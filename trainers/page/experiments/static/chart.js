// A panel of curves: drawn on a canvas, read by pointer, finger and arrow keys.

import { element } from "/static/lib/dom.js";
import { decades, nearest, runningMean, span, tickLabel, ticks } from "./scales.js";
import { numeral } from "./words.js";

const MARGIN = { left: 58, right: 10, top: 8, bottom: 26 };

/**
 * One metric of several experiments. A curve is { label, colour, dash, at, mean, low, high }; `pointed(iteration)` is called when
 * somebody points at an iteration (undefined: no longer), and `point(iteration)` shows the values there.
 */
export class Chart {
  constructor(title, pointed) {
    Object.assign(this, { title, pointed, curves: [], log: false, smooth: false, at: undefined });
    this.canvas = element("canvas", { tabindex: 0, role: "slider", "aria-label": `${title}: values by iteration` });
    this.values = element("ul", { class: "values" });
    this.root = element("div", { class: "panel" }, element("h3", { textContent: title }), this.canvas, this.values);
    this._sized = new ResizeObserver(() => this._changed());
    this._sized.observe(this.canvas);
    const move = (event) => this.pointed(this._iteration(event));
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerdown", move);
    this.canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.pointed(undefined));
    this.canvas.addEventListener("blur", () => this.pointed(undefined));
    this.canvas.addEventListener("keydown", (event) => this._key(event));
  }

  show(curves, { log, smooth }) {
    Object.assign(this, { curves, log, smooth });
    this._drawn = curves.map((curve) => ({ ...curve, line: smooth ? runningMean(curve.mean) : curve.mean }));
    this._changed();
  }

  point(iteration) {
    this.at = iteration;
    this.redraw();
  }

  close() {
    this._sized.disconnect();
  }

  redraw() {
    this._asked ??= requestAnimationFrame(() => {
      this._asked = undefined;
      if (this.canvas.isConnected && this._drawn) this._draw();
    });
  }

  _changed() {
    this._curves = undefined;
    this.redraw();
  }

  get last() {
    return Math.max(1, ...this.curves.map((curve) => curve.at.at(-1) ?? 0));
  }

  _iteration(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (event.clientX - box.left - MARGIN.left) / Math.max(box.width - MARGIN.left - MARGIN.right, 1);
    return Math.round(Math.min(Math.max(share, 0), 1) * this.last);
  }

  _key(event) {
    const step = Math.max(1, Math.round(this.last / (event.shiftKey ? 10 : 100)));
    const to = { ArrowLeft: (this.at ?? this.last) - step, ArrowRight: (this.at ?? 0) + step, Home: 0, End: this.last }[event.key];
    if (to === undefined && event.key !== "Escape") return;
    event.preventDefault();
    this.pointed(to === undefined ? undefined : Math.min(Math.max(to, 0), this.last));
  }

  /** Curves are drawn when they change; what somebody points at is drawn over a copy. */
  _draw() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    if (!this._curves) {
      this._place = this._scales(width, height);
      this._curves = this._pictureOf(width, height, ratio);
    }
    this.canvas.width = this._curves.width;
    this.canvas.height = this._curves.height;
    const context = this.canvas.getContext("2d");
    context.drawImage(this._curves, 0, 0);
    context.scale(ratio, ratio);
    if (this.at !== undefined) this._mark(context, this._place, height - MARGIN.bottom);
    this._say();
  }

  /** Where iterations and values are on the canvas, and the range of values. */
  _scales(width, height) {
    const [low, high] = span(this._drawn, this.log);
    const scale = this.log ? (value) => Math.log10(Math.max(value, 1e-30)) : (value) => value;
    const [wide, tall, last] = [Math.max(width - MARGIN.left - MARGIN.right, 1), height - MARGIN.top - MARGIN.bottom, this.last];
    const [bottom, range] = [scale(low), scale(high) - scale(low)];
    return { low, high, x: (iteration) => MARGIN.left + (iteration / last) * wide, y: (value) => MARGIN.top + tall * (1 - (scale(value) - bottom) / range) };
  }

  _pictureOf(width, height, ratio) {
    const canvas = new OffscreenCanvas(Math.round(width * ratio), Math.round(height * ratio));
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "12px system-ui, sans-serif";
    this._axes(context, this._place, width, height);
    context.beginPath();
    context.rect(MARGIN.left - 4, MARGIN.top - 4, width - MARGIN.left - MARGIN.right + 8, height - MARGIN.top - MARGIN.bottom + 8);
    context.clip();
    for (const curve of this._drawn) this._curve(context, curve, this._place);
    return canvas;
  }

  _axes(context, { x, y, low, high }, width, height) {
    context.lineWidth = 1;
    const values = this.log ? decades(low, high) : ticks(low, high, 5);
    for (const value of values) {
      const place = Math.round(y(value)) + 0.5;
      context.strokeStyle = "#eceff1";
      context.beginPath();
      context.moveTo(MARGIN.left, place);
      context.lineTo(width - MARGIN.right, place);
      context.stroke();
      text(context, tickLabel(value, this.log ? value : values[1] - values[0]), MARGIN.left - 8, place, "right", "middle");
    }
    for (const value of ticks(0, this.last, Math.max(2, Math.floor(width / 110)))) {
      if (Number.isInteger(value)) text(context, numeral(value), Math.min(x(value), width - 14), height - MARGIN.bottom + 8, "center", "top");
    }
  }

  _curve(context, curve, { x, y }) {
    const shown = (value) => !this.log || value > 0;
    context.strokeStyle = context.fillStyle = curve.colour;
    const faint = this.smooth && !curve.low ? curve.mean : undefined;
    if (curve.low) {
      context.globalAlpha = 0.16;
      context.beginPath();
      curve.at.forEach((at, i) => context.lineTo(x(at), y(curve.high[i])));
      for (let i = curve.at.length - 1; i >= 0; i--) context.lineTo(x(curve.at[i]), y(curve.low[i]));
      context.fill();
    }
    for (const [values, alpha, lineWidth] of [[faint, 0.3, 1], [curve.line, 1, 1.8]]) {
      if (!values) continue;
      Object.assign(context, { globalAlpha: alpha, lineWidth, lineJoin: "round" });
      context.setLineDash(curve.dash);
      context.beginPath();
      curve.at.forEach((at, i) => shown(values[i]) && context.lineTo(x(at), y(values[i])));
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
    if (curve.at.length <= 60) curve.at.forEach((at, i) => shown(curve.line[i]) && dot(context, x(at), y(curve.line[i]), 2.5));
  }

  _mark(context, { x, y, low, high }, bottom) {
    context.strokeStyle = "#5f6368";
    context.beginPath();
    context.moveTo(x(this.at), 0);
    context.lineTo(x(this.at), bottom);
    context.stroke();
    for (const curve of this._drawn) {
      const i = nearest(curve.at, this.at);
      if (i === undefined || curve.line[i] < low || curve.line[i] > high) continue;
      context.fillStyle = curve.colour;
      dot(context, x(curve.at[i]), y(curve.line[i]), 4.5);
    }
  }

  /** The values where somebody points, or the last ones, in words beneath the picture. */
  _say() {
    const said = this._drawn.map((curve) => {
      const i = this.at === undefined ? curve.at.length - 1 : nearest(curve.at, this.at);
      if (i === undefined || i < 0) return { curve, words: "nothing yet" };
      const around = curve.low && curve.low[i] !== curve.high[i] ? ` (${numeral(curve.low[i])} to ${numeral(curve.high[i])})` : "";
      return { curve, words: `${numeral(curve.line[i])}${around} at ${numeral(curve.at[i])}` };
    });
    const text = said.map(({ curve, words }) => `${curve.label}: ${words}`).join("; ");
    if (text === this._said) return;
    this._said = text;
    this.values.replaceChildren(
      ...said.map(({ curve, words }) => {
        const swatch = element("span", { class: "swatch" });
        swatch.style.background = curve.colour;
        return element("li", {}, swatch, `${curve.label}: `, element("b", { textContent: words }));
      }),
    );
    const limits = { "aria-valuemin": 0, "aria-valuemax": this.last, "aria-valuenow": this.at ?? this.last, "aria-valuetext": text };
    for (const [name, value] of Object.entries(limits)) this.canvas.setAttribute(name, value);
  }
}

function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

function text(context, words, x, y, textAlign, textBaseline) {
  Object.assign(context, { textAlign, textBaseline, fillStyle: "#5f6368" });
  context.fillText(words, x, y);
}
