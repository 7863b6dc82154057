// The list of experiments: what state each is in, to choose from.

import { choice, element } from "/static/lib/dom.js";
import { duration, looks, moment } from "./words.js";

const NOTHING = "There are no experiments in this folder of results yet: declare one in config.yaml and run snakemake, and it appears here when it begins.";

/** Shows experiments; `chosen` gives each that is chosen its place and its source; calls toggled(name) and sourced(name, source). */
export class List {
  constructor(toggled, sourced) {
    Object.assign(this, { toggled, sourced });
    this.root = element("div", { class: "experiments", role: "group", "aria-label": "Experiments" });
    this.cards = new Map();
  }

  show({ experiments, more }, chosen) {
    const seen = new Set(experiments.map(({ name }) => name));
    for (const [name, card] of this.cards) {
      if (seen.has(name)) continue;
      card.root.remove();
      this.cards.delete(name);
    }
    experiments.forEach((one, place) => {
      let card = this.cards.get(one.name);
      if (!card) this.cards.set(one.name, (card = this._card(one.name)));
      card.show(one, chosen.get(one.name));
      if (this.root.children[place] !== card.root) this.root.insertBefore(card.root, this.root.children[place] ?? null);
    });
    this.more?.remove();
    const words = experiments.length ? more && `${more} more are not listed.` : NOTHING;
    this.more = words ? element("p", { class: "faint", textContent: words }) : undefined;
    if (this.more) this.root.append(this.more);
  }

  /** A card that is changed in place, so that whoever is in it with the keyboard stays there. */
  _card(name) {
    const box = element("input", { type: "checkbox", onchange: () => this.toggled(name) });
    const method = element("span", { class: "faint" });
    const [state, wrong] = [element("p"), element("p", { class: "bad" })];
    const bar = element("progress", { max: 1, "aria-label": `How far ${name} is` });
    const sources = element("div");
    const root = element("div", { class: "experiment" }, element("label", {}, box, element("b", { textContent: name }), method), state, bar, wrong, sources);
    let offered = "";
    const show = (one, chosen) => {
      box.checked = Boolean(chosen);
      root.style.borderLeftColor = chosen ? looks(chosen.place).colour : "";
      method.textContent = one.method;
      state.replaceChildren(...stateOf(one));
      bar.hidden = !(one.iterations && one.state !== "trained" && one.state !== "not begun");
      bar.value = one.iterations ? Math.min((one.iteration ?? 0) / one.iterations, 1) : 0;
      wrong.textContent = one.errors.join("\n");
      wrong.hidden = !one.errors.length;
      sources.hidden = one.sources.length < 2 || !chosen;
      const now = `${chosen?.source} ${one.sources.map(({ id, live }) => `${id}${live}`).join()}`;
      if (!sources.hidden && now !== offered) sources.replaceChildren(this._sources(name, one, chosen));
      offered = now;
    };
    return { root, show };
  }

  _sources(name, one, chosen) {
    const pairs = one.sources.map(({ id, written, live }) => [id, id === "curves" ? `The finished training, ${moment(written)}` : `Run ${id}, ${live ? "going on" : moment(written)}`]);
    return choice(pairs, chosen.source, (source) => this.sourced(name, source), { "aria-label": `Which training of ${name}` });
  }
}

function stateOf(one) {
  const number = (value) => value.toLocaleString("en");
  const far = one.iterations ? `iteration ${number(one.iteration ?? 0)} of ${number(one.iterations)}` : one.iteration ? `iteration ${number(one.iteration)}` : "";
  const each = one.seconds ? `${duration(one.seconds)} each` : "";
  if (one.state === "training") {
    const left = one.left ? `about ${duration(one.left)} left` : "";
    const silent = one.silent > 60 ? `nothing new for ${duration(one.silent)}` : "";
    const words = [far || "nothing measured yet", each, left, silent].filter(Boolean).join(", ");
    return [element("span", { class: "live", textContent: "training now: " }), words];
  }
  if (one.state === "trained") {
    const took = one.took ? `took ${duration(one.took)}${one.device ? ` on ${one.device}` : ""}` : "";
    const measured = one.evaluations ? `${one.evaluations} ${one.evaluations === 1 ? "result" : "results"} of evaluations` : "not evaluated";
    return [["trained", one.iterations ? `${number(one.iterations)} iterations` : "", took, measured].filter(Boolean).join(", ")];
  }
  if (one.state === "stopped") {
    const silent = one.silent ? `silent for ${duration(one.silent)}` : "";
    return [["not finished, and nobody is training it", far, silent].filter(Boolean).join(", ")];
  }
  return [one.evaluations ? "not trained, but evaluated" : "not begun"];
}
