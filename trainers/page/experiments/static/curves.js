// The view of curves: a panel for each metric, and in it a curve for each experiment.

import { element } from "/static/lib/dom.js";
import { Chart } from "./chart.js";

const RATE = "learning_rate";

export class Curves {
  constructor() {
    this.off = new Set([RATE]); // metrics that are not shown
    this.charts = new Map();
    this.log = this.smooth = false;
    this.chips = element("div", { class: "chips", role: "group", "aria-label": "Metrics" });
    this.panels = element("div", { class: "panels" });
    this.empty = element("p", { class: "faint" });
    const check = (label, name) =>
      element("label", { class: "check" }, element("input", { type: "checkbox", onchange: (event) => this._set(name, event.target.checked) }), label);
    const bar = element("div", { class: "row" }, check("Logarithmic", "log"), check("Running mean", "smooth"));
    this.root = element("div", {}, this.chips, bar, this.empty, this.panels);
  }

  /** Shows the curves of [{ label, colour, dash, columns }]. */
  show(experiments) {
    this.experiments = experiments;
    const names = [...new Set(experiments.flatMap(({ columns }) => [...columns.keys()]))].sort(inOrder);
    this._offer(names);
    const shown = names.filter((name) => !this.off.has(name));
    for (const [name, chart] of this.charts) {
      if (shown.includes(name)) continue;
      chart.close();
      this.charts.delete(name);
    }
    for (const name of shown) {
      const chart = this.charts.get(name) ?? new Chart(name, (iteration) => this._point(iteration));
      this.charts.set(name, chart);
      const curves = experiments.filter(({ columns }) => columns.has(name)).map(({ columns, ...one }) => ({ ...one, ...columns.get(name) }));
      chart.show(curves, this);
    }
    const roots = shown.map((name) => this.charts.get(name).root);
    if (roots.length !== this.panels.children.length || roots.some((root, i) => root !== this.panels.children[i])) this.panels.replaceChildren(...roots);
    this.empty.textContent = experiments.length ? (names.length ? "" : "Nothing has been measured yet.") : "Choose experiments above to see their curves.";
    this.empty.hidden = !this.empty.textContent;
  }

  close() {
    for (const chart of this.charts.values()) chart.close();
  }

  _set(name, value) {
    this[name] = value;
    this.show(this.experiments);
  }

  _point(iteration) {
    for (const chart of this.charts.values()) chart.point(iteration);
  }

  _offer(names) {
    if (names.join("\n") === this.offered) return;
    this.offered = names.join("\n");
    this.chips.replaceChildren(
      ...names.map((name) => {
        const chip = element("button", { type: "button", textContent: name, "aria-pressed": String(!this.off.has(name)) });
        chip.addEventListener("click", () => {
          if (!this.off.delete(name)) this.off.add(name);
          chip.setAttribute("aria-pressed", String(!this.off.has(name)));
          this.show(this.experiments);
        });
        return chip;
      }),
    );
  }
}

/** The sum of losses first, then losses, then what validation measured; the learning rate last. */
function inOrder(one, other) {
  const place = (name) => (name === "loss" ? 0 : name.startsWith("loss.") ? 1 : name === RATE ? 3 : 2);
  return place(one) - place(other) || one.localeCompare(other);
}
