// What is said of a pixel: the values of the members that lie there.

import { flowAt } from "./flow.js";
import { frameOf } from "./members.js";
import { titleOf } from "./titles.js";

/** Values at a point of the pictures of a frame, of those members that have been loaded. */
export function valuesAt(members, layer, point, size) {
  const [x, y] = [Math.round(point.x), Math.round(point.y)];
  if (x < 0 || y < 0 || x >= size.width || y >= size.height) return "";
  const frame = frameOf(members, layer.name);
  const parts = [`x ${x * members.facts.step}, y ${y * members.facts.step}`];
  for (const array of members.arrays.values()) {
    const [height, width] = array.shape.slice(-2);
    if (frameOf(members, array.name) !== frame || width !== size.width || height !== size.height) continue;
    const geometry = members.geometry(array.name);
    if (geometry === "flow") parts.push(motion(titleOf(array.name), flowAt(array, x, y)));
    else if (geometry === "labels") parts.push(`${titleOf(array.name)} ${array.data[y * width + x]}`);
    else if (geometry === "mask") parts.push(`${titleOf(array.name)} ${array.data[y * width + x] ? "yes" : "no"}`);
  }
  const error = errorAt(members, x, y);
  if (error !== undefined) parts.push(`error ${error.toFixed(2)} px`);
  return parts.join(" · ");
}

const motion = (title, [u, v]) => `${title} ${plain(u)}, ${plain(v)} (${Math.hypot(u, v).toFixed(2)} px)`;
const plain = (value) => String(Number(value.toFixed(3)));

function errorAt(members, x, y) {
  const [estimate, truth] = [members.arrays.get("flow.b2"), members.arrays.get("truth.flow.b2")];
  if (!estimate || !truth || estimate.shape.join() !== truth.shape.join()) return undefined;
  const [one, other] = [flowAt(estimate, x, y), flowAt(truth, x, y)];
  return Math.hypot(one[0] - other[0], one[1] - other[1]);
}
