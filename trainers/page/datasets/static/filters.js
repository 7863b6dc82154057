// What of a view is shown: its video, what failed, motion, points, in which order, and which member is drawn small.

import { get } from "/static/lib/api.js";
import { choice, element, field } from "/static/lib/dom.js";
import { attempt } from "/static/lib/status.js";
import { titleOf } from "./titles.js";
import { count, named } from "./where.js";

const WAIT = 350; // ms after the last letter
const LOOKS = ["order", "show"]; // which leave nothing out

/** Whether anything is left out. */
export const leavesOut = (filters) => [...filters.keys()].some((name) => !LOOKS.includes(name));

/** Makes the bar, {root, clear}: changes place.filters and calls changed(); clear() takes away what leaves samples out. */
export function filterBar(place, about, changed) {
  const { filters } = place;
  let timer;
  const set = (name, value, wait = 0) => {
    if (value) filters.set(name, value);
    else filters.delete(name);
    fit();
    clearTimeout(timer);
    timer = setTimeout(changed, wait);
  };
  const small = about.members.filter((member) => member.small);
  const ofMade = []; // what says nothing of failures
  if (about.moves) ofMade.push(rangeField("Mean motion, px", "motion", filters, set, undefined));
  if (about.points) ofMade.push(rangeField("Guidance points", "points", filters, set, about.points));
  if (about.moves) {
    const pairs = [["", "as in the manifest"], ["motion", "largest motion first"]];
    ofMade.push(field("Order", choice(pairs, filters.get("order") ?? "", (value) => set("order", value), { name: "order" })));
  }
  if (small.length > 1) {
    const pairs = small.map(({ name }) => [name, titleOf(name)]);
    ofMade.push(field("Picture", choice(pairs, filters.get("show") ?? small[0].name, (value) => set("show", value === small[0].name ? "" : value))));
  }
  const clear = () => {
    for (const name of [...filters.keys()]) if (!LOOKS.includes(name)) filters.delete(name);
    for (const control of bar.querySelectorAll("input, select[name=failure]")) control.value = "";
    fit();
    changed();
  };
  const all = element("button", { type: "button", textContent: "Show all", onclick: clear });
  const bar = element("div", { class: "bar" }, videoField(place, set), about.failures.length ? failureField(about, filters, set) : null, ofMade, all);
  const fit = () => {
    for (const control of ofMade) control.hidden = filters.has("failure");
    all.disabled = !leavesOut(filters);
  };
  fit();
  const open = filters.size > 0 || matchMedia("(min-width: 761px)").matches;
  const root = element("details", { class: "filters", open }, element("summary", { textContent: "Filters" }), bar);
  return { root, clear };
}

function videoField(place, set) {
  const list = element("datalist", { id: "videos" });
  const suggest = async (part) => {
    const found = (await attempt(() => get("/api/datasets/videos", { ...named(place), part }))) ?? [];
    list.replaceChildren(...found.map((value) => element("option", { value })));
  };
  let asked;
  const input = element("input", {
    type: "search", name: "video", list: "videos", placeholder: "its name, or a part of it", autocomplete: "off", spellcheck: false,
    value: place.filters.get("video") ?? "",
    onfocus: () => suggest(input.value),
    oninput: () => {
      clearTimeout(asked);
      asked = setTimeout(() => suggest(input.value), WAIT);
      set("video", input.value.trim(), WAIT);
    },
  });
  return element("label", { class: "field wide" }, "Video", input, list);
}

function failureField(about, filters, set) {
  const all = about.failures.reduce((sum, one) => sum + one.count, 0);
  const pairs = [["", `Samples that were made (${count(about.samples)})`], ["*", `All that failed (${count(all)})`]];
  pairs.push(...about.failures.map((one) => [one.reason, `${one.reason} (${count(one.count)})`]));
  return field("Failures", choice(pairs, filters.get("failure") ?? "", (value) => set("failure", value), { name: "failure" }));
}

function rangeField(label, name, filters, set, range) {
  const end = (which, placeholder) =>
    element("input", {
      type: "number", min: 0, step: "any", inputMode: "decimal", name: `${name}_${which}`, placeholder, "aria-label": `${label}, ${which}`,
      value: filters.get(`${name}_${which}`) ?? "",
      oninput: (event) => set(`${name}_${which}`, event.target.value, WAIT),
    });
  const [least, most] = range ?? ["from", "to"];
  return element("div", { class: "field range", role: "group", "aria-label": label }, label, element("div", {}, end("from", `${least}`), "–", end("to", `${most}`)));
}
