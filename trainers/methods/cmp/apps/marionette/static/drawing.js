// Arrows, fixed points and the place where the keyboard adds one, drawn on the stage.

import { head, isFixed } from "./arrows.js";

const COLOR = "#1a66c2";
const CHOSEN = "#d9480f";

/** Draws arrows; `shares` has how much of each the model takes, where that is known: beyond that, it is dashed. */
export function drawArrows(context, unit, list, chosen, shares) {
  list.forEach((arrow, i) => {
    const color = i === chosen ? CHOSEN : COLOR;
    if (isFixed(arrow)) drawPin(context, unit, arrow, color);
    else drawArrow(context, unit, arrow, color, shares[i] ?? 1);
    if (list.length > 1) drawNumber(context, unit, arrow, i + 1);
  });
}

/** Draws where the keyboard adds an arrow. */
export function drawCrosshair(context, unit, point) {
  const path = new Path2D();
  const near = 4 * unit;
  const far = 14 * unit;
  for (const [y, x] of [[0, 1], [0, -1], [1, 0], [-1, 0]]) {
    path.moveTo(point.x + x * near, point.y + y * near);
    path.lineTo(point.x + x * far, point.y + y * far);
  }
  twice(context, unit, path, 2, COLOR);
}

function drawArrow(context, unit, arrow, color, share) {
  const to = head(arrow);
  const end = head({ ...arrow, dy: arrow.dy * share, dx: arrow.dx * share });
  const length = Math.hypot(arrow.dy, arrow.dx);
  const size = Math.min(12 * unit, length * 0.6);
  const [y, x] = [(arrow.dy / length) * size, (arrow.dx / length) * size];
  if (share < 0.995) {
    context.setLineDash([4 * unit, 4 * unit]);
    twice(context, unit, line(end, to), 2, color);
    context.setLineDash([]);
  }
  twice(context, unit, line(arrow, end), 3, color);
  const tip = new Path2D();
  tip.moveTo(to.x, to.y);
  tip.lineTo(to.x - x + y * 0.5, to.y - y - x * 0.5);
  tip.lineTo(to.x - x - y * 0.5, to.y - y + x * 0.5);
  tip.closePath();
  twice(context, unit, tip, 2, color, true);
  twice(context, unit, circle(arrow, 4 * unit), 2, color, true);
}

function drawPin(context, unit, point, color) {
  twice(context, unit, circle(point, 8 * unit), 2, color);
  twice(context, unit, circle(point, 2.5 * unit), 1, color, true);
}

function drawNumber(context, unit, { y, x }, number) {
  context.font = `600 ${12 * unit}px system-ui, sans-serif`;
  context.lineWidth = 3 * unit;
  context.lineJoin = "round";
  context.strokeStyle = "#fff";
  context.fillStyle = "#202124";
  const [left, low] = [x + 10 * unit, y - 8 * unit];
  context.strokeText(number, left, low);
  context.fillText(number, left, low);
}

/** Strokes a path with a white rim, so that it is seen on any picture; `width` in pixels of the screen. */
function twice(context, unit, path, width, color, filled = false) {
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = "#fff";
  context.lineWidth = (width + 2.5) * unit;
  context.stroke(path);
  context.strokeStyle = context.fillStyle = color;
  context.lineWidth = width * unit;
  context.stroke(path);
  if (filled) context.fill(path);
}

function line(from, to) {
  const path = new Path2D();
  path.moveTo(from.x, from.y);
  path.lineTo(to.x, to.y);
  return path;
}

function circle(point, radius) {
  const path = new Path2D();
  path.arc(point.x, point.y, radius, 0, 2 * Math.PI);
  return path;
}
