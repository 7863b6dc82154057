// Labels and masks as colours, boundaries, and trees of regions that merge.

import { painted } from "./flow.js";

const COLOURS = Array.from({ length: 180 }, (_, i) => {
  const label = i + 1;
  return fromHsv(((label * 67) % 180) / 180, [0.6, 0.85][label % 2], [0.96, 0.86, 0.76][label % 3]);
});

/** Always the same colour for a label, black for 0, as common_fate.pictures has it. */
export const labelColor = (label) => (label === 0 ? [0, 0, 0] : COLOURS[(label - 1) % COLOURS.length]);

function fromHsv(h, s, v) {
  const part = (n) => {
    const k = (n + h * 6) % 6;
    return Math.round(255 * (v - v * s * Math.max(0, Math.min(k, 4 - k, 1))));
  };
  return [part(5), part(3), part(1)];
}

export function labelPicture({ shape: [height, width], data }, first) {
  return painted(width, height, (at) => labelColor(data[at] + first));
}

export function maskPicture({ shape: [height, width], data }) {
  return painted(width, height, (at) => (data[at] ? [255, 255, 255] : [0, 0, 0]));
}

/** Lines between pixels of different labels, after `of` where that maps them; clear elsewhere. */
export function boundaries({ shape: [height, width], data }, of = undefined) {
  const label = of ? (at) => of[data[at]] : (at) => data[at];
  return painted(width, height, (at) => {
    const mine = label(at);
    const right = at % width < width - 1 && label(at + 1) !== mine;
    const below = at + width < height * width && label(at + width) !== mine;
    return right || below ? [230, 30, 40] : undefined;
  });
}

/** A tree of regions, to be cut at any of its heights. */
export class Tree {
  /** labels: of the leaves; tree: SciPy's linkage, (R - 1, 4); pixels: of the frame, or nothing. */
  constructor(labels, tree, pixels) {
    Object.assign(this, { labels, pixels });
    this.rows = tree.data;
    this.leaves = tree.shape[0] + 1;
    if (labels.data.some((label) => label >= this.leaves)) throw new Error(`A label is none of the ${this.leaves} leaves of the tree.`);
    this.colors = this._means();
  }

  height(merges) {
    return merges ? this.rows[4 * (merges - 1) + 2] : 0;
  }

  /** The region of each leaf after so many merges; all that merge at one height merge together. */
  cut(merges) {
    const top = this.height(merges);
    const of = Uint16Array.from({ length: 2 * this.leaves - 1 }, (_, i) => i);
    let done = merges;
    while (done > 0 && done < this.leaves - 1 && this.rows[4 * done + 2] <= top) done += 1;
    // From the root down, each region hands its own number on to what it merged.
    for (let row = done - 1; row >= 0; row -= 1) {
      for (const child of [0, 1]) of[this.rows[4 * row + child]] = of[this.leaves + row];
    }
    return { of: of.subarray(0, this.leaves), regions: this.leaves - done, height: top };
  }

  /** The regions of a cut in the mean colours of the frame, or in colours of their own where it is not there. */
  picture({ of }) {
    const sums = new Map();
    for (let leaf = 0; leaf < this.leaves; leaf += 1) {
      const sum = sums.get(of[leaf]) ?? [0, 0, 0, 0];
      this.colors[leaf].forEach((value, i) => (sum[i] += value));
      sums.set(of[leaf], sum);
    }
    const color = Array.from(of, (region) => {
      const [r, g, b, n] = sums.get(region);
      return this.pixels ? [r / (n || 1), g / (n || 1), b / (n || 1)] : labelColor(region + 1);
    });
    const [height, width] = this.labels.shape;
    const { data } = this.labels;
    return painted(width, height, (at) => color[data[at]]);
  }

  /** Red, green, blue and pixels of each leaf, summed. */
  _means() {
    const sums = Array.from({ length: this.leaves }, () => [0, 0, 0, 0]);
    const { data } = this.labels;
    for (let at = 0; this.pixels && at < data.length; at += 1) {
      const sum = sums[data[at]];
      for (let c = 0; c < 3; c += 1) sum[c] += this.pixels[4 * at + c];
      sum[3] += 1;
    }
    return sums;
  }
}

/** The pixels of a picture, RGBA. */
export function pixelsOf(picture) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: picture.width, height: picture.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  return context.getImageData(0, 0, picture.width, picture.height).data;
}
