// Flow: the Middlebury wheel as common_fate.pictures has it, arrows, and how far an estimate is from the truth.

export const STEPS = 64; // of a pixel, in the shards' coding
const ARCS = [[[1, 0, 0], [1, 1, 0], 15], [[1, 1, 0], [0, 1, 0], 6], [[0, 1, 0], [0, 1, 1], 4], [[0, 1, 1], [0, 0, 1], 11], [[0, 0, 1], [1, 0, 1], 13], [[1, 0, 1], [1, 0, 0], 6]];
const WHEEL = ARCS.flatMap(([start, end, steps]) =>
  Array.from({ length: steps }, (_, i) => start.map((from, c) => from * 255 + Math.trunc(((end[c] - from) * 255 * i) / steps))),
);
const HEAT = [[13, 8, 60], [84, 15, 109], [187, 55, 84], [249, 142, 9], [252, 255, 164]]; // from none to most

/** The colour of a motion on the wheel, [r, g, b]: full at `full` pixels, darker beyond. */
export function wheelColor(u, v, full) {
  const radius = Math.hypot(u, v) / full;
  const place = ((Math.atan2(-(v + 0), -(u + 0)) / Math.PI + 1) / 2) * (WHEEL.length - 1);
  const before = Math.min(Math.floor(place), WHEEL.length - 1);
  const share = place - before;
  const after = WHEEL[(before + 1) % WHEEL.length];
  return WHEEL[before].map((value, c) => {
    const hue = (1 - share) * value + share * after[c];
    return radius <= 1 ? 255 - radius * (255 - hue) : hue * 0.75;
  });
}

export function flowAt({ shape, data }, x, y) {
  const [, height, width] = shape;
  if (x < 0 || y < 0 || x >= width || y >= height) return undefined;
  const at = y * width + x;
  return [data[at] / STEPS, data[height * width + at] / STEPS];
}

/** Flow as colours; black where it is not known. */
export function flowPicture(flow, valid, full) {
  const [, height, width] = flow.shape;
  const area = height * width;
  return painted(width, height, (at) => {
    if (valid && !valid.data[at]) return [0, 0, 0];
    return wheelColor(flow.data[at] / STEPS, flow.data[area + at] / STEPS, full);
  });
}

/** The wheel itself. */
export function legend(side) {
  const half = (side - 1) / 2;
  return painted(side, side, (at) => {
    const u = ((at % side) - half) / half;
    const v = (Math.floor(at / side) - half) / half;
    return Math.hypot(u, v) > 1 ? undefined : wheelColor(u, v, 1);
  });
}

/** Where two flows differ, pixels: {errors, mean, over3, most}, NaN where either is not known. */
export function difference(estimate, truth, valid) {
  const [, height, width] = truth.shape;
  const area = height * width;
  const errors = new Float32Array(area);
  const known = [];
  for (let at = 0; at < area; at += 1) {
    const error = Math.hypot(estimate.data[at] - truth.data[at], estimate.data[area + at] - truth.data[area + at]) / STEPS;
    errors[at] = valid && !valid.data[at] ? NaN : error;
    if (!Number.isNaN(errors[at])) known.push(error);
  }
  const sorted = Float32Array.from(known).sort();
  const mean = known.reduce((sum, error) => sum + error, 0) / Math.max(known.length, 1);
  const over3 = known.filter((error) => error > 3).length / Math.max(known.length, 1);
  return { errors, mean, over3, most: Math.max(1, sorted[Math.floor(sorted.length * 0.99)] ?? 1), width, height };
}

export function differencePicture({ errors, most, width, height }) {
  return painted(width, height, (at) => (Number.isNaN(errors[at]) ? [128, 128, 128] : heat(errors[at] / most)));
}

function heat(value) {
  const place = Math.min(value, 1) * (HEAT.length - 1);
  const before = Math.min(Math.floor(place), HEAT.length - 2);
  return HEAT[before].map((from, c) => from + (HEAT[before + 1][c] - from) * (place - before));
}

/** A canvas whose pixels are what color(index) gives, [r, g, b]; where it gives nothing, clear. */
export function painted(width, height, color) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let at = 0; at < width * height; at += 1) {
    const found = color(at);
    if (!found) continue;
    for (let c = 0; c < 3; c += 1) image.data[4 * at + c] = found[c]; // which rounds
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Arrows of a flow at points [[x, y], ...] in pixels of the picture, as much longer as `scale` says. */
export function drawArrows(context, unit, flow, valid, points, full, scale) {
  const width = flow.shape[2];
  const arrows = [];
  for (const [x, y] of points) {
    const found = flowAt(flow, Math.round(x), Math.round(y));
    if (!found || (valid && !valid.data[Math.round(y) * width + Math.round(x)])) continue;
    arrows.push({ x, y, u: found[0] * scale, v: found[1] * scale, color: `rgb(${wheelColor(...found, full).map(Math.round)})` });
  }
  for (const outline of [true, false]) {
    for (const arrow of arrows) drawArrow(context, unit, arrow, outline);
  }
}

function drawArrow(context, unit, { x, y, u, v, color }, outline) {
  const grow = outline ? 2 * unit : 0;
  const length = Math.hypot(u, v);
  context.strokeStyle = context.fillStyle = outline ? "#202124" : color;
  context.beginPath();
  context.arc(x, y, (length < 2 * unit ? 2.5 : 1.8) * unit + grow / 2, 0, 7);
  context.fill();
  if (length < 2 * unit) return;
  const head = Math.min(8 * unit, length);
  const [ax, ay] = [u / length, v / length];
  const [nx, ny] = [x + u - ax * head, y + v - ay * head];
  context.lineWidth = 2 * unit + grow;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(nx, ny);
  context.stroke();
  context.beginPath();
  context.moveTo(x + u, y + v);
  context.lineTo(nx - ay * head * 0.5, ny + ax * head * 0.5);
  context.lineTo(nx + ay * head * 0.5, ny - ax * head * 0.5);
  context.closePath();
  context.fill();
  context.lineWidth = grow;
  if (outline) context.stroke();
}
