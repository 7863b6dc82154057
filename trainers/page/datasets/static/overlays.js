// What is drawn over any picture of a sample: arrows of its flow, guidance, named points.

import { drawArrows } from "./flow.js";
import { frameOf } from "./members.js";
import { validOf } from "./layers.js";
import { labelColor } from "./segments.js";

const APART = 30; // pixels of the screen between arrows
const SCALES = [0.1, 0.2, 0.5, 1, 2, 3, 4, 5, 8, 10, 15, 20, 40, 80];
const MOST_NAMED = 20;

/** Which overlays a sample has: {name, title, member}. */
export function overlaysOf(members) {
  const found = [];
  const flow = flowOf(members);
  if (flow) found.push({ name: "arrows", title: "Arrows" });
  if (flow && members.has("guidance.npy")) found.push({ name: "guidance", title: "Guidance" });
  if (members.names.some((name) => name.endsWith("points.npy"))) found.push({ name: "points", title: "Points" });
  if (members.names.some((name) => /(superpixels|regions)\.png$/.test(name))) found.push({ name: "lines", title: "Lines" });
  return found;
}

/** The flow whose arrows are drawn: the estimate before the truth. */
export const flowOf = (members) => ["flow.b2", "truth.flow.b2"].find((name) => members.has(name));

/** Loads what overlays need; gives draw(context, stage) for pictures of a frame, and what is to be said of it. */
export async function overlay(members, shown, layer) {
  const frame = frameOf(members, layer.name);
  const own = !frame || frame === "jpg";
  const name = layer.kind === "flow" && own ? layer.name : flowOf(members);
  const wanted = own && name && (shown.has("arrows") || shown.has("guidance"));
  const flow = wanted ? await members.array(name) : undefined;
  const valid = flow && (await validOf(members, name));
  const guidance = flow && shown.has("guidance") && members.has("guidance.npy") ? await members.array("guidance.npy") : undefined;
  const pointed = `${own ? "" : frame.slice(0, -"jpg".length)}points.npy`;
  const points = shown.has("points") && members.has(pointed) ? await members.array(pointed) : undefined;
  const step = members.facts.step;
  return (context, stage) => {
    if (flow && shown.has("arrows")) arrows(context, stage, flow, valid, onGrid(stage, flow));
    if (guidance) rings(context, stage.unit, rowsOf(guidance, step));
    if (guidance) arrows(context, stage, flow, valid, rowsOf(guidance, step));
    if (points) named(context, stage.unit, rowsOf(points, step), members.facts.landmarks);
  };
}

const rowsOf = ({ data, shape: [rows] }, step) => Array.from({ length: rows }, (_, i) => [data[3 * i + 1] / step, data[3 * i] / step, data[3 * i + 2]]);

function arrows(context, { unit }, flow, valid, points) {
  drawArrows(context, unit, flow, valid, points, flow.full, scaleOf(unit, flow));
}

/** The round number by which arrows are longer than the motion, so that fast ones reach over their neighbours. */
export function scaleOf(unit, { full }) {
  const wanted = (1.6 * APART * unit) / full;
  return SCALES.reduce((best, one) => (Math.abs(Math.log(one / wanted)) < Math.abs(Math.log(best / wanted)) ? one : best));
}

/** Points of a grid that stays where it is on the picture. */
function onGrid({ unit }, { shape: [, height, width] }) {
  const step = Math.max(1, Math.round(APART * unit));
  const points = [];
  for (let y = Math.floor(step / 2); y < height; y += step) {
    for (let x = Math.floor(step / 2); x < width; x += step) points.push([x, y]);
  }
  return points;
}

/** Rings about guidance points, which so differ from the arrows of the grid. */
function rings(context, unit, points) {
  for (const [color, width] of [["#202124", 4], ["#ffd400", 2]]) {
    context.strokeStyle = color;
    context.lineWidth = width * unit;
    for (const [x, y] of points) {
      context.beginPath();
      context.arc(x, y, 7 * unit, 0, 7);
      context.stroke();
    }
  }
}

/** Named points as discs; hidden ones are rings, and those at 0, 0 are not known. */
function named(context, unit, points, names) {
  context.font = `${13 * unit}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  points.forEach(([x, y, visible], i) => {
    if (!visible && !x && !y) return;
    const color = `rgb(${labelColor(i + 1)})`;
    context.beginPath();
    context.arc(x, y, 5 * unit, 0, 7);
    context.lineWidth = 2 * unit;
    context.strokeStyle = visible ? "#202124" : color;
    context.fillStyle = color;
    if (visible) context.fill();
    context.stroke();
    if (points.length > MOST_NAMED || !names[i]) return;
    context.lineWidth = 3 * unit;
    context.strokeStyle = "#202124";
    context.strokeText(names[i], x + 9 * unit, y);
    context.fillText(names[i], x + 9 * unit, y);
  });
}
