// What is drawn on one image: its objects, what undo goes back to, and the masks that clicks and the brush make.
//
// Objects are never changed in place: every change makes others, so that undo keeps them as they were.

import { decode, encode } from "./rle.js";

const MOST_UNDONE = 200;
const MOST_DECODED = 60;

export class Drawing {
  /** Of what the server opened. */
  constructor({ work, size, objects }) {
    [this.height, this.width] = work; // of the picture that is shown, and of masks
    this.size = size; // of the image, in whose pixels points are
    this.bases = new Map(); // by what they are made of
    this.decoded = new Map(); // by their counts
    this.undone = [];
    this.done = [];
    this.objects = objects.map(({ base, ...one }) => {
      if (base) this.bases.set(madeOf(one), base);
      return one;
    });
    this.active = this.objects.length - 1;
  }

  get object() {
    return this.objects[this.active];
  }

  /** Makes a change that undo takes back. */
  change(objects, active = this.active) {
    this.done.push({ objects: this.objects, active: this.active });
    if (this.done.length > MOST_UNDONE) this.done.shift();
    this.undone = [];
    this.set(objects, active);
  }

  /** Makes several changes that undo takes back at once. */
  together(work) {
    const before = this.done.length;
    work();
    this.done.length = Math.min(this.done.length, before + 1);
  }

  set(objects, active = this.active) {
    this.objects = objects;
    this.active = Math.min(Math.max(active, 0), objects.length - 1);
  }

  /** Where a point is on the picture that is shown. */
  seen({ x, y }) {
    const [height, width] = this.size;
    return { x: ((x + 0.5) * this.width) / width - 0.5, y: ((y + 0.5) * this.height) / height - 0.5 };
  }

  /** Clicks at a place of the picture that is shown; the mask of all clicks is then that model's. */
  click({ x, y }, positive, model) {
    const [height, width] = this.size;
    const point = { x: ((x + 0.5) * width) / this.width - 0.5, y: ((y + 0.5) * height) / this.height - 0.5, positive };
    this.change(this.with(this.active, { model, points: [...this.object.points, point] }));
  }

  /** Changes some of an object. */
  with(index, changes) {
    return this.objects.map((one, i) => (i === index ? { ...one, ...changes } : one));
  }

  undo() {
    this._go(this.done, this.undone);
  }

  redo() {
    this._go(this.undone, this.done);
  }

  _go(from, to) {
    const state = from.pop();
    if (!state) return;
    to.push({ objects: this.objects, active: this.active });
    this.set(state.objects, state.active);
  }

  add(name, model, threshold) {
    const used = new Set(this.objects.map((one) => one.colour));
    let colour = 0;
    while (used.has(colour)) colour++;
    const made = { name, colour, shown: true, model, threshold, points: [], added: null, erased: null };
    this.change([...this.objects, made], this.objects.length);
  }

  /** The mask of clicks as run lengths, null where the server has to compute it, undefined where there is none. */
  base(object) {
    if (!object.points.some((point) => point.positive)) return undefined;
    return this.bases.get(madeOf(object)) ?? null;
  }

  /** Takes masks that the server computed, by their place in the objects that were sent. */
  computed(sent, bases) {
    for (const [index, base] of Object.entries(bases)) this.bases.set(madeOf(sent[index]), base);
  }

  /** What is sent: objects with the masks of their clicks. */
  told() {
    return this.objects.map((one) => ({ ...one, base: this.base(one) ?? null }));
  }

  /** An object's mask, a byte a pixel. */
  mask(object) {
    const base = this.base(object);
    const made = base ? this.bytes(base).slice() : new Uint8Array(this.width * this.height);
    const added = object.added && this.bytes(object.added);
    const erased = object.erased && this.bytes(object.erased);
    for (let i = 0; (added || erased) && i < made.length; i++) {
      if (added?.[i]) made[i] = 1;
      if (erased?.[i]) made[i] = 0;
    }
    return made;
  }

  bytes(coded) {
    const found = this.decoded.get(coded.counts) ?? decode(coded);
    this.decoded.delete(coded.counts);
    this.decoded.set(coded.counts, found);
    if (this.decoded.size > MOST_DECODED) this.decoded.delete(this.decoded.keys().next().value);
    return found;
  }

  /** Brings a stroke, a byte a pixel, over what the brush did before. */
  stroke(stroke, adds) {
    const layer = (coded) => (coded ? this.bytes(coded).slice() : new Uint8Array(this.width * this.height));
    const added = layer(this.object.added);
    const erased = layer(this.object.erased);
    const [over, under] = adds ? [added, erased] : [erased, added];
    for (let i = 0; i < stroke.length; i++) {
      if (!stroke[i]) continue;
      over[i] = 1;
      under[i] = 0;
    }
    const changes = { added: encode(added, this.height, this.width), erased: encode(erased, this.height, this.width) };
    this.change(this.with(this.active, changes));
  }
}

/** What the mask of clicks depends on. */
function madeOf({ model, threshold, points }) {
  return JSON.stringify([model, threshold, points.map(({ x, y, positive }) => [x, y, positive])]);
}

/** Sets the pixels within `radius` of the line between two points of the picture. */
export function dab(bytes, width, height, from, to, radius) {
  const [left, right] = [Math.min(from.x, to.x) - radius, Math.max(from.x, to.x) + radius];
  const [top, bottom] = [Math.min(from.y, to.y) - radius, Math.max(from.y, to.y) + radius];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const long = dx * dx + dy * dy || 1;
  for (let y = Math.max(Math.ceil(top), 0); y <= Math.min(bottom, height - 1); y++) {
    for (let x = Math.max(Math.ceil(left), 0); x <= Math.min(right, width - 1); x++) {
      const along = Math.min(Math.max(((x - from.x) * dx + (y - from.y) * dy) / long, 0), 1);
      if (Math.hypot(x - from.x - along * dx, y - from.y - along * dy) <= radius) bytes[y * width + x] = 1;
    }
  }
}
