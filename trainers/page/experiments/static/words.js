// Numbers and times as they are read, and colours by which experiments are known.

export const COLOURS = ["#1a66c2", "#d9730d", "#2e7d32", "#7b3fa0", "#00838f", "#b3261e", "#8d6e63", "#c2185b"];
const DASHES = [[], [6, 4], [2, 3]];

/** The look of the experiment in this place: more than there are colours have dashes. */
export const looks = (place) => ({ colour: COLOURS[place % COLOURS.length], dash: DASHES[Math.floor(place / COLOURS.length) % DASHES.length] });

/** A number with about four digits. */
export function numeral(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace("-", "−");
  return value.toLocaleString("en", { maximumSignificantDigits: Number.isInteger(value) ? 21 : 4 }).replace("-", "−");
}

/** Numbers of a line with as many decimals as make four digits of the largest. */
export function decimals(values) {
  const top = Math.max(...values.filter((value) => value !== null).map(Math.abs), 0);
  if (top === 0) return 1;
  return Math.min(Math.max(3 - Math.floor(Math.log10(top)), 0), 6);
}

export function duration(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.round(minutes / 1440)} days`;
}

/** A moment, given in seconds. */
export const moment = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
