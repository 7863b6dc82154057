// What is said, in every part that needs a model, where there is none.

import { element } from "./dom.js";

/** Gives elements: how one comes by a model of one of these methods. */
export function noModel(methods, results) {
  const code = (textContent) => element("code", { textContent });
  const listed = new Intl.ListFormat("en", { type: "disjunction" }).format(methods);
  return element(
    "div",
    { class: "advice" },
    element("p", { textContent: `There is no model of ${listed} here yet.` }),
    element("p", {}, "To train one, add an experiment with ", code(`method: ${methods[0]}`), " to config.yaml and run ", code("snakemake --cores all"), "; or, on finished shards:"),
    element("pre", { class: "scroll", textContent: `python -m trainers train ${methods[0]} SHARDS --to ${results}/experiments/NAME` }),
    element("p", { class: "faint", textContent: "Then open this part again." }),
  );
}
