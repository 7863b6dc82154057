// A picture to zoom, move and point at, by mouse, touch and keyboard.

import { element } from "./dom.js";

const MOST_ZOOM = 40;

/**
 * A canvas on which a picture lies. Coordinates are pixels of the picture: the centre of its first pixel is (0, 0).
 *
 * draw(context, stage): draws over the picture; context is in pixels of the picture, stage.unit is one pixel of the screen.
 * press(point, event): a pointer went down; what it gives, if anything, gets move(point) and up(point). Where it gives
 * nothing, the pointer moves the picture. Two fingers and the wheel zoom, and 0, +, - and arrows do on the keyboard.
 */
export class Stage {
  constructor({ draw = () => {}, press = () => undefined, hover = () => {}, hint = "", label = "Picture" } = {}) {
    Object.assign(this, { draw, press, hover, picture: null, scale: 1, x: 0, y: 0 });
    this.canvas = element("canvas", { tabindex: 0, role: "img", "aria-label": label });
    this.hint = element("div", { class: "hint", textContent: hint, hidden: !hint });
    this.root = element("div", { class: "stage" }, this.canvas, this.hint);
    this._pointers = new Map();
    this._held = null;
    this._listen();
    new ResizeObserver(() => this._resized()).observe(this.root);
  }

  /** Shows a bitmap; the view stays where the size is the same. */
  show(picture) {
    const same = this.picture && this.picture.width === picture.width && this.picture.height === picture.height;
    this.picture = picture;
    if (!same) this.fit();
    else this.redraw();
  }

  say(text) {
    this.hint.textContent = text;
    this.hint.hidden = !text;
  }

  /** One pixel of the screen, in pixels of the picture. */
  get unit() {
    return 1 / this.scale;
  }

  fit() {
    if (!this.picture) return;
    const { width, height } = this._size();
    this.scale = Math.min(width / this.picture.width, height / this.picture.height) || 1;
    this.x = (width - this.picture.width * this.scale) / 2;
    this.y = (height - this.picture.height * this.scale) / 2;
    this.redraw();
  }

  /** Zooms about a place on the canvas, by default its middle. */
  zoom(factor, at = undefined) {
    const { width, height } = this._size();
    const [cx, cy] = at ?? [width / 2, height / 2];
    const scale = Math.min(Math.max(this.scale * factor, 0.05), MOST_ZOOM);
    this.x = cx - ((cx - this.x) * scale) / this.scale;
    this.y = cy - ((cy - this.y) * scale) / this.scale;
    this.scale = scale;
    this.redraw();
  }

  redraw() {
    this._asked ??= requestAnimationFrame(() => {
      this._asked = undefined;
      this._draw();
    });
  }

  /** Where an event is, in pixels of the picture. */
  point(event) {
    const [x, y] = this._place(event);
    return { x: (x - this.x) / this.scale - 0.5, y: (y - this.y) / this.scale - 0.5 };
  }

  inside(point) {
    return this.picture && point.x >= -0.5 && point.y >= -0.5 && point.x < this.picture.width - 0.5 && point.y < this.picture.height - 0.5;
  }

  /** Where a point of the picture is in the window, for tests and pop-ups. */
  onScreen(point) {
    const box = this.canvas.getBoundingClientRect();
    return { x: box.left + this.x + (point.x + 0.5) * this.scale, y: box.top + this.y + (point.y + 0.5) * this.scale };
  }

  _size() {
    return { width: this.root.clientWidth, height: this.root.clientHeight };
  }

  _place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  _resized() {
    const ratio = devicePixelRatio || 1;
    const { width, height } = this._size();
    const first = !this.canvas.dataset.sized;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.canvas.dataset.sized = "yes";
    if (first || this._fitted?.join() !== [width, height].join()) {
      this._fitted = [width, height];
      this.fit();
    }
    this._draw();
  }

  _draw() {
    const ratio = devicePixelRatio || 1;
    const context = this.canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.picture) return;
    context.setTransform(this.scale * ratio, 0, 0, this.scale * ratio, this.x * ratio, this.y * ratio);
    context.imageSmoothingEnabled = this.scale < 3;
    context.drawImage(this.picture, 0, 0);
    context.translate(0.5, 0.5); // the centre of the first pixel is (0, 0)
    this.draw(context, this);
  }

  _listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => this._down(event));
    canvas.addEventListener("pointermove", (event) => this._moved(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, (event) => this._up(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY / 400), this._place(event));
      },
      { passive: false },
    );
    canvas.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
      if (event.key === "+" || event.key === "=") this.zoom(1.25);
      else if (event.key === "-") this.zoom(0.8);
      else if (event.key === "0") this.fit();
      else if (moves[event.key]) {
        this.x += moves[event.key][0];
        this.y += moves[event.key][1];
        this.redraw();
      } else return;
      event.preventDefault();
    });
  }

  _down(event) {
    if (!this.picture) return;
    this.canvas.setPointerCapture(event.pointerId);
    this._pointers.set(event.pointerId, this._place(event));
    if (this._pointers.size > 1) {
      this._held?.cancel?.();
      this._held = null;
    } else this._held = this.press(this.point(event), event) ?? null;
  }

  _moved(event) {
    const before = this._pointers.get(event.pointerId);
    if (!before) {
      this.hover(this.point(event), event);
      return;
    }
    const now = this._place(event);
    if (this._pointers.size === 2) {
      const [other] = [...this._pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
      this.zoom(apart(now) / Math.max(apart(before), 1), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
    } else if (this._held) this._held.move?.(this.point(event), event);
    else {
      this.x += now[0] - before[0];
      this.y += now[1] - before[1];
      this.redraw();
    }
    this._pointers.set(event.pointerId, now);
  }

  _up(event) {
    if (!this._pointers.delete(event.pointerId)) return;
    if (event.type === "pointerup") this._held?.up?.(this.point(event), event);
    else this._held?.cancel?.();
    this._held = null;
  }
}
