// The pictures that can be made of a sample: which there are, and how each is drawn.

import { difference, differencePicture, flowPicture } from "./flow.js";
import { frameOf } from "./members.js";
import { boundaries, labelPicture, maskPicture, pixelsOf, Tree } from "./segments.js";
import { titleOf } from "./titles.js";

const REGIONS = "regions.png";
const KINDS = { image: "image", flow: "flow", labels: "labels", mask: "mask" };

/** Which layers a sample has: {name, title, kind}; where the truth is known, what compares the estimate with it. */
export function layersOf(members) {
  const layers = [];
  for (const name of members.names) {
    const kind = KINDS[members.geometry(name)];
    if (kind) layers.push({ name, title: titleOf(name), kind: members.has(treeOf(name)) ? "regions" : kind });
  }
  for (const name of members.names.filter((one) => members.geometry(one) === "flow" && members.has(`truth.${one}`))) {
    layers.push({ name, title: `${titleOf(name)} − truth`, kind: "difference" });
    layers.push({ name, title: `${titleOf(name)} beside truth`, kind: "beside" });
  }
  return layers;
}

/** The layer to show first. */
export const firstOf = (layers) => layers.find(({ kind }) => kind === "flow" || kind === "regions") ?? layers.find(({ name }) => name.endsWith("superpixels.png")) ?? layers[0];

const treeOf = (name) => (name.endsWith(REGIONS) ? `${name.slice(0, -REGIONS.length)}tree.npy` : "");

/** The mask of where a flow is known, if there is one. */
export async function validOf(members, name) {
  const mask = name.replace(/flow\.b2$/, "valid.png");
  return mask !== name && members.has(mask) ? members.array(mask) : undefined;
}

/**
 * Draws a layer over its frame: {picture, note, cut}.
 * look: {over: how much of the frame is seen through it, full: pixels of full colour, merges, lines}.
 */
export async function drawn(members, layer, look) {
  const frameName = frameOf(members, layer.name);
  const frame = frameName ? await members.picture(frameName) : undefined;
  if (layer.kind === "image") return { picture: await withLines(members, layer, await members.picture(layer.name), look), note: "" };
  const { picture, note, lines, ...more } = await DRAWERS[layer.kind](members, layer, look, frame);
  if (frame && (frame.width !== picture.width || frame.height !== picture.height)) {
    throw new Error(`The ${layer.title} has ${picture.width} x ${picture.height} pixels, and its frame ${frame.width} x ${frame.height}: they do not fit.`);
  }
  return { picture: composed(frame, picture, look.over, look.lines ? lines : undefined), note, ...more };
}

const DRAWERS = {
  async flow(members, { name }, look) {
    const flow = await members.array(name);
    const full = look.full ?? flow.full;
    return { picture: flowPicture(flow, await validOf(members, name), full), note: `Full colour at ${full.toFixed(1)} px.`, full };
  },
  async difference(members, { name }) {
    const [estimate, truth, valid] = await Promise.all([members.array(name), members.array(`truth.${name}`), validOf(members, `truth.${name}`)]);
    if (estimate.shape.join() !== truth.shape.join()) throw new Error("Estimate and truth are not of one size.");
    const found = difference(estimate, truth, valid);
    const note = `Error: ${found.mean.toFixed(2)} px in the mean, ${(100 * found.over3).toFixed(1)} % over 3 px; brightest from ${found.most.toFixed(1)} px; grey: not known.`;
    return { picture: differencePicture(found), note };
  },
  async labels(members, { name }, look) {
    const labels = await members.array(name);
    const first = name.endsWith("objects.png") ? 0 : 1;
    const many = new Set(labels.data).size;
    return { picture: labelPicture(labels, first), note: `${many} label${many === 1 ? "" : "s"}.`, lines: look.lines && boundaries(labels) };
  },
  async mask(members, { name }) {
    const mask = await members.array(name);
    const share = mask.data.reduce((sum, one) => sum + (one > 0), 0) / mask.data.length;
    return { picture: maskPicture(mask), note: `${(100 * share).toFixed(1)} % of the pixels.` };
  },
  async regions(members, { name }, look, frame) {
    const tree = await grown(members, name, frame);
    const cut = tree.cut(Math.min(look.merges, tree.leaves - 1));
    const note = `${cut.regions} of ${tree.leaves} regions${cut.height ? `, merged up to height ${cut.height.toFixed(3)}` : ""}.`;
    return { picture: tree.picture(cut), note, tree, lines: look.lines && boundaries(tree.labels, cut.of) };
  },
};

const trees = new WeakMap();

/** The tree of a sample's regions, made once. */
async function grown(members, name, frame) {
  const [labels, tree] = await Promise.all([members.array(name), members.array(treeOf(name))]);
  if (!trees.has(labels)) {
    const fits = frame && frame.width === labels.shape[1] && frame.height === labels.shape[0];
    trees.set(labels, new Tree(labels, tree, fits ? pixelsOf(frame) : undefined));
  }
  return trees.get(labels);
}

/** An image with the boundaries of its own segments, where there are any and they are asked for. */
async function withLines(members, { name }, picture, { lines }) {
  const segments = lines && linesOf(members, name);
  return segments ? composed(picture, boundaries(await members.array(segments)), 0) : picture;
}

/** The segments whose boundaries can be drawn over an image. */
export function linesOf(members, name) {
  const prefix = name.slice(0, -"jpg".length);
  return [`${prefix}superpixels.png`, `${prefix}${REGIONS}`].find((one) => members.has(one));
}

function composed(frame, picture, over, lines = undefined) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: picture.width, height: picture.height });
  const context = canvas.getContext("2d");
  if (frame) context.drawImage(frame, 0, 0);
  context.globalAlpha = frame ? 1 - over : 1;
  context.drawImage(picture, 0, 0);
  context.globalAlpha = 1;
  if (lines) context.drawImage(lines, 0, 0);
  return canvas;
}
