// Which datasets and views there are.

import { get } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { Status } from "/static/lib/status.js";
import { count, hashOf } from "./where.js";

export async function openList(main, site) {
  const status = new Status(main, "Datasets");
  status.busy("Looking for datasets…");
  const found = await get("/api/datasets/list");
  status.tell(found.length ? "Each has one or more views, which are what models are trained on: open one to see its samples." : "There is no dataset in this folder of results yet.");
  if (found.length) for (const dataset of found) main.append(...section(dataset));
  else main.append(nothing(site));
}

/** How one comes by a dataset. */
function nothing({ results }) {
  const code = (textContent) => element("code", { textContent });
  return element(
    "div",
    { class: "advice" },
    element("p", {}, code("make demo"), " makes small ones in results, in some minutes. For one of your own videos, name them in config.yaml (its first lines show how) and run"),
    element("pre", { class: "scroll", textContent: "snakemake --cores all" }),
    element("p", {}, `This page shows the folder ${results}. Where yours lie elsewhere, start it with their folder:`),
    element("pre", { class: "scroll", textContent: "python -m trainers page FOLDER" }),
    element("p", { class: "faint", textContent: "Then open this part again." }),
  );
}

function section(dataset) {
  const head = element("h2", { class: "name", textContent: dataset.name });
  if (dataset.error) return [head, element("p", { class: "bad", textContent: dataset.error })];
  if (!dataset.views.length) return [head, element("p", { class: "faint", textContent: "It has no view yet: it is still being made, or was broken off. snakemake --cores all goes on with it." })];
  return [head, element("div", { class: "cards" }, dataset.views.map((view) => card(dataset.name, view)))];
}

function card(dataset, view) {
  const title = element("h2", { textContent: view.name });
  if (view.error) return element("div", { class: "card" }, title, element("p", { class: "bad", textContent: view.error }));
  if (view.unfinished) return element("div", { class: "card" }, title, element("p", { textContent: `It ${view.unfinished}.` }));
  const facts = [count(view.samples, "sample"), `${(view.bytes / 1e6).toFixed(view.bytes < 1e7 ? 1 : 0)} MB`];
  if (view.failures) facts.push(`${count(view.failures)} failed`);
  const href = hashOf({ dataset, view: view.name, filters: new URLSearchParams() });
  return element("a", { class: "card", href }, title, element("p", { textContent: facts.join(" · ") }));
}
