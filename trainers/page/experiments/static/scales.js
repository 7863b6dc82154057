// Ranges, round numbers and running means of curves.

const SMOOTHED = 0.04; // the window of the running mean, a share of the points

/** The range of values that is shown: the first iterations may be far above all others, and would flatten what matters. */
export function span(curves, log) {
  const values = curves.flatMap((curve) => curve.line).filter((value) => !log || value > 0);
  if (!values.length) return log ? [0.1, 1] : [0, 1];
  values.sort((one, other) => one - other);
  const low = values[0];
  const high = values.length > 20 && !log ? Math.max(values[Math.floor(0.99 * (values.length - 1))], low) : values.at(-1);
  if (log) return high > low ? [low / 1.1, high * 1.1] : [low / 2, high * 2];
  const apart = high - low || Math.abs(high) || 1;
  return [low - 0.06 * apart, high + 0.12 * apart];
}

/** Round numbers from low to high, about so many. */
export function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high * (1 + 1e-12); i++) found.push(i * step);
  return found;
}

/** A round number with as many digits as tell it from its neighbours, so far away. */
export function tickLabel(value, step) {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(Math.max(0, Math.min(6, Math.floor(Math.log10(size)) - Math.floor(Math.log10(step))))).replaceAll("-", "−");
  const digits = Math.min(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)), 12);
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
}

/** Round numbers on a logarithmic scale. */
export function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    for (const one of high / low > 300 ? [1] : [1, 2, 5]) if (one * 10 ** power >= low && one * 10 ** power <= high) found.push(one * 10 ** power);
  }
  return found.length > 1 ? found : ticks(low, high, 4).filter((one) => one > 0);
}

/** The mean over a window about each value. */
export function runningMean(values) {
  const half = Math.max(1, Math.round((values.length * SMOOTHED) / 2));
  const sums = [0];
  for (const value of values) sums.push(sums.at(-1) + value);
  return values.map((_, i) => {
    const [from, to] = [Math.max(i - half, 0), Math.min(i + half + 1, values.length)];
    return (sums[to] - sums[from]) / (to - from);
  });
}

/** Which of sorted iterations is nearest to one; none where there are none. */
export function nearest(at, iteration) {
  if (!at.length) return undefined;
  let [low, high] = [0, at.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (at[middle] < iteration) low = middle + 1;
    else high = middle;
  }
  return low > 0 && iteration - at[low - 1] < at[low] - iteration ? low - 1 : low;
}
