// The view of evaluations: a table for each, a column for each experiment and start, and pictures side by side.

import { get } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { decimals, looks } from "./words.js";

const MOST_LINES = 8; // of one metric, before they are folded away
const MOST_PICTURES = 2; // names of pictures, before they are folded away
const ARROWS = { higher: "↑", lower: "↓" };

export class Evaluations {
  constructor() {
    this.root = element("div", { "aria-live": "off" });
    this.pictured = new Set(); // what was unfolded stays so
  }

  /** Asks for the evaluations of experiments and shows them; places gives each its colour. */
  async show(names, places) {
    if (!names.length) {
      this.root.replaceChildren(element("p", { class: "faint", textContent: "Choose experiments above to see what was measured of them." }));
      return;
    }
    this.asking?.abort();
    this.asking = new AbortController();
    const query = new URLSearchParams(names.map((name) => ["experiment", name]));
    const { evaluations, errors } = await get(`/api/experiments/evaluations?${query}`, {}, this.asking.signal);
    const parts = errors.map(({ experiment, text }) => element("p", { class: "bad", role: "alert", textContent: `${experiment}: ${text}` }));
    if (!evaluations.length && !errors.length) parts.push(element("p", { class: "faint", textContent: "Nothing has been measured of these experiments yet." }));
    if (evaluations.length) parts.push(element("p", { class: "faint", textContent: "★ marks the best of a line, baselines among them; an arrow says where it is better." }));
    this.root.replaceChildren(...parts, ...evaluations.map((one) => evaluationOf(one, places, this.pictured)));
  }

  close() {
    this.asking?.abort();
  }
}

function evaluationOf(one, places, unfolded) {
  const metrics = Map.groupBy ? Map.groupBy(one.lines, (line) => line.metric) : grouped(one.lines);
  const short = one.lines.filter((line) => metrics.get(line.metric).length <= MOST_LINES);
  const parts = [element("h2", { textContent: one.name })];
  if (short.length) parts.push(tableOf(one, short, places));
  for (const [metric, lines] of metrics) {
    if (lines.length > MOST_LINES) parts.push(folded(`${metric}: ${lines.length} lines`, () => tableOf(one, lines, places), `${one.name} ${metric}`, unfolded));
  }
  if (one.more) parts.push(element("p", { class: "faint", textContent: `${one.more} more lines are in the experiments' files.` }));
  if (one.differ) parts.push(element("p", { class: "bad", textContent: "These were not all measured with the same options: their numbers may not be comparable." }));
  for (const note of one.notes) parts.push(element("p", { class: "faint", textContent: note }));
  one.pictures.forEach((picture, i) => {
    const key = `${one.name} picture ${picture.name}`;
    if (i < MOST_PICTURES) parts.push(element("h3", { textContent: picture.name }), picturesOf(one, picture, places));
    else parts.push(folded(picture.name, () => picturesOf(one, picture, places), key, unfolded));
  });
  return element("section", { class: "evaluation" }, parts);
}

function grouped(lines) {
  const found = new Map();
  for (const line of lines) found.set(line.metric, [...(found.get(line.metric) ?? []), line]);
  return found;
}

/** What is made once it is unfolded. */
function folded(title, make, key, unfolded) {
  const inside = element("div");
  const open = () => {
    if (!inside.children.length) inside.append(make());
  };
  const details = element("details", { open: unfolded.has(key) }, element("summary", { textContent: title }), inside);
  if (details.open) open();
  details.addEventListener("toggle", () => {
    if (details.open) open();
    unfolded[details.open ? "add" : "delete"](key);
  });
  return details;
}

function tableOf(one, lines, places) {
  const subsets = lines.some((line) => line.subset);
  const head = [element("th", { scope: "col", textContent: "dataset" })];
  if (subsets) head.push(element("th", { scope: "col", textContent: "of" }));
  head.push(element("th", { scope: "col", textContent: "metric" }));
  for (const column of one.columns) head.push(heading(column.experiment, column.start, places.get(column.experiment)));
  for (const name of one.baselines) head.push(heading(name, "baseline"));
  head.push(element("th", { scope: "col", class: "number", textContent: "samples" }));
  const rows = lines.map((line) => {
    const digits = decimals([...line.values, ...line.baselines.flatMap((span) => span ?? [])]);
    const named = [element("td", { textContent: line.dataset })];
    if (subsets) named.push(element("td", { textContent: line.subset || "all" }));
    named.push(element("td", { class: "metric", textContent: `${line.metric} ${ARROWS[line.better]}${line.unit ? `, ${line.unit}` : ""}` }));
    const numbers = line.values.map((value) => cell(value === null ? null : [value, value], digits, line.best));
    const baselines = line.baselines.map((span) => cell(span, digits, line.best));
    const samples = element("td", { class: line.samples.length > 1 ? "number bad" : "number", textContent: line.samples.map((count) => count.toLocaleString("en")).join(", ") });
    return element("tr", {}, named, numbers, baselines, samples);
  });
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Numbers of ${one.name}` }, element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, rows)));
}

function heading(name, below, place) {
  const swatch = element("span", { class: "swatch" });
  if (place !== undefined) swatch.style.background = looks(place).colour;
  return element("th", { scope: "col", class: "number" }, name, element("small", {}, place === undefined ? null : swatch, below));
}

/** A number, or from which to which it goes in these experiments. */
function cell(span, digits, best) {
  if (!span) return element("td", { class: "number faint", textContent: "–" });
  const [low, high] = span.map((value) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−"));
  const isBest = best !== null && span[0] === best && span[1] === best;
  return element("td", { class: isBest ? "number best" : "number" }, isBest ? element("span", { role: "img", "aria-label": "best", textContent: "★ " }) : null, low === high ? low : `${low} to ${high}`);
}

function picturesOf(one, picture, places) {
  const figures = picture.of.map(({ column, number, width, height, caption }) => {
    const { experiment, start } = one.columns[column];
    const address = `/api/experiments/picture?${new URLSearchParams({ experiment, evaluation: one.name, start, number })}`;
    const swatch = element("span", { class: "swatch" });
    swatch.style.background = looks(places.get(experiment) ?? 0).colour;
    const image = element("img", { src: address, width, height, loading: "lazy", alt: `${picture.name} of ${experiment} from ${start}` });
    const about = caption ? element("details", {}, element("summary", { textContent: "What it shows" }), element("p", { class: "faint", textContent: caption })) : null;
    const link = element("a", { href: address, target: "_blank", rel: "noopener", title: "Open it in its full size" }, image);
    return element("figure", {}, element("figcaption", {}, swatch, element("b", { textContent: experiment }), ` from ${start}`), link, about);
  });
  return element("div", { class: "side-by-side" }, figures);
}
