// Curves that grow while a training runs: only what is new is asked for, and few points stand for many.

import { get } from "/static/lib/api.js";

const MOST = 2400; // points of a curve in memory: then neighbours are joined

/** What is known of one experiment's curves. */
export class Growing {
  constructor(experiment, source) {
    Object.assign(this, { experiment, source, generation: -1, after: 0, columns: new Map() });
  }

  /** Asks for what is new; gives whether there was something. */
  async update(signal) {
    const { experiment, source, generation, after } = this;
    const found = await get("/api/experiments/curves", { experiment, source, generation, after }, signal);
    Object.assign(this, { generation: found.generation, after: found.after });
    if (found.whole) this.columns.clear();
    for (const [name, more] of Object.entries(found.columns)) this.columns.set(name, joined(this.columns.get(name), more));
    return found.whole || Object.keys(found.columns).length > 0;
  }
}

function joined(before, more) {
  if (!before) return more;
  const together = { at: before.at.concat(more.at), mean: before.mean.concat(more.mean) };
  if (before.low || more.low) {
    together.low = (before.low ?? before.mean).concat(more.low ?? more.mean);
    together.high = (before.high ?? before.mean).concat(more.high ?? more.mean);
  }
  return together.at.length > MOST ? halved(together) : together;
}

/** Joins neighbours: the last iteration of both, their mean, and the range of both. */
function halved({ at, mean, low = mean, high = mean }) {
  const made = { at: [], mean: [], low: [], high: [] };
  for (let i = 0; i < at.length; i += 2) {
    const next = Math.min(i + 1, at.length - 1);
    made.at.push(at[next]);
    made.mean.push((mean[i] + mean[next]) / 2);
    made.low.push(Math.min(low[i], low[next]));
    made.high.push(Math.max(high[i], high[next]));
  }
  return made;
}
