// What the page says of arrows.

import { isFixed } from "./arrows.js";

const whole = Math.round;
const length = (dy, dx) => Math.hypot(dy, dx);

/** Says which arrow is chosen, and what it does. */
export function named(arrows) {
  const { current, chosen, list } = arrows;
  if (!current) return list.length ? `${list.length} ${list.length === 1 ? "arrow or fixed point" : "arrows and fixed points"}.` : "";
  const { y, x, dy, dx } = current;
  const which = `${chosen + 1} of ${list.length} at x ${whole(x)}, y ${whole(y)}`;
  if (isFixed(current)) return `Fixed point ${which}.`;
  return `Arrow ${which}: ${whole(Math.abs(dx))} ${dx < 0 ? "left" : "right"}, ${whole(Math.abs(dy))} ${dy < 0 ? "up" : "down"}.`;
}

/** What is left of each arrow, from 0 to 1, as the model takes it; both are rows of y, x, dy, dx. */
export function sharesOf(asked, taken) {
  return asked.map(([, , dy, dx], i) => (dy || dx ? length(taken[i][2], taken[i][3]) / length(dy, dx) : 1));
}

/** Says which arrows are longer than the model knows. */
export function shortenings(asked, shares) {
  const long = shares.map((share, i) => ({ share, i })).filter(({ share }) => share < 0.995);
  if (!long.length) return "";
  const told = long.map(({ share, i }) => {
    const far = length(asked[i][2], asked[i][3]);
    return `arrow ${i + 1} is ${whole(far)} pixels long and taken as ${whole(far * share)}`;
  });
  return `Longer than this model knows, so shortened: ${told.join("; ")}.`;
}
