// Experiments: which there are, their curves while they train, and evaluations side by side.

import { get } from "/static/lib/api.js";
import { element, styled } from "/static/lib/dom.js";
import { attempt, say, Status } from "/static/lib/status.js";
import { Curves } from "./curves.js";
import { Evaluations } from "./evaluations.js";
import { Growing } from "./growing.js";
import { List } from "./list.js";
import { looks } from "./words.js";

const SOON = 2500; // milliseconds until it is asked again while something is trained
const LATER = 8000;
const MOST = 16; // experiments side by side
const FIRST = 3; // chosen where nobody has chosen

/** Opens the part; the address is `#/experiments/VIEW/NAME/NAME...`. */
export async function open(main, [view = "curves", ...names]) {
  await styled("/tools/experiments/style.css");
  const shown = new Shown(main, view === "evaluations" ? view : "curves");
  await shown.start(names);
  return () => shown.close();
}

class Shown {
  constructor(main, view) {
    this.view = view;
    this.chosen = new Map(); // by name { place, source, growing }
    this.list = new List((name) => this.toggle(name), (name, source) => this.choose(name, source));
    this.curves = new Curves();
    this.evaluations = new Evaluations();
    this.status = new Status(main, "Experiments");
    this.status.busy("Looking for experiments…");
    this.tabs = ["curves", "evaluations"].map((name) =>
      element("button", { type: "button", role: "tab", id: `tab-${name}`, textContent: name === "curves" ? "Curves" : "Evaluations", onclick: () => this.open(name) }),
    );
    const tabs = element("div", { class: "tabs", role: "tablist", onkeydown: (event) => this.turn(event) }, this.tabs);
    this.panel = element("div", { role: "tabpanel" });
    main.append(this.list.root, tabs, this.panel);
    this.seen = () => !document.hidden && this.look();
    document.addEventListener("visibilitychange", this.seen);
  }

  async start(names) {
    this.found = await get("/api/experiments/list");
    const there = new Set(this.found.experiments.map(({ name }) => name));
    const live = this.found.experiments.filter(({ state }) => state === "training").map(({ name }) => name);
    const some = this.found.experiments.filter(({ sources }) => sources.length).map(({ name }) => name);
    const asked = names.filter((name) => there.has(name));
    for (const name of asked.length ? asked.slice(0, MOST) : [...new Set([...live, ...some])].slice(0, FIRST)) this.add(name);
    this.open(this.view);
    await this.look(true);
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.seen);
    this.curves.close();
    this.evaluations.close();
  }

  add(name) {
    const taken = new Set([...this.chosen.values()].map(({ place }) => place));
    let place = 0;
    while (taken.has(place)) place++;
    this.chosen.set(name, { place, source: undefined, growing: undefined });
  }

  toggle(name) {
    if (this.chosen.has(name)) this.chosen.delete(name);
    else if (this.chosen.size < MOST) this.add(name);
    else say(`At most ${MOST} experiments side by side.`, true);
    this.look(true);
  }

  choose(name, source) {
    Object.assign(this.chosen.get(name), { source, fixed: true });
    this.look(true);
  }

  open(view) {
    this.view = view;
    for (const tab of this.tabs) {
      const own = tab.id === `tab-${view}`;
      tab.setAttribute("aria-selected", String(own));
      tab.tabIndex = own ? 0 : -1;
    }
    this.panel.setAttribute("aria-labelledby", `tab-${view}`);
    this.panel.replaceChildren(this[view].root);
    if (this.found) this.draw(true);
  }

  turn(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    this.open(this.view === "curves" ? "evaluations" : "curves");
    this.tabs.find((tab) => tab.tabIndex === 0).focus();
  }

  /** Asks what is new; one at a time, and again some seconds later. */
  async look(now = false) {
    if (this.looking) {
      this.again = this.again || now;
      return;
    }
    this.looking = true;
    clearTimeout(this.timer);
    try {
      do {
        this.again = false;
        await this.update();
      } while (this.again && !this.closed);
    } finally {
      this.looking = false;
    }
    const live = this.found.experiments.some(({ state }) => state === "training");
    if (!this.closed && !document.hidden) this.timer = setTimeout(() => this.look(), live ? SOON : LATER);
  }

  async update() {
    try {
      this.found = await get("/api/experiments/list");
      const news = await Promise.all([...this.chosen].map(([name, one]) => this.pull(name, one)));
      if (this.closed) return;
      const count = this.found.experiments.length;
      const live = this.found.experiments.filter(({ state }) => state === "training").length;
      const time = new Date().toLocaleTimeString();
      if (this.lost) this.status.clear();
      this.lost = false;
      this.status.tell(`${count} ${count === 1 ? "experiment" : "experiments"}, ${live ? `${live} training now: looked at ${time}, and again every few seconds` : "none training now"}.`);
      this.draw(news.some(Boolean));
    } catch (error) {
      this.lost = true;
      if (!this.closed) this.status.fail(`${error.message} It is asked again every few seconds.`);
    }
  }

  /** Brings one experiment's curves up to date; gives whether there was something new. */
  async pull(name, one) {
    const about = this.found.experiments.find((other) => other.name === name);
    if (!about) {
      const had = Boolean(one.growing);
      one.growing = undefined;
      return had;
    }
    const there = about.sources.map(({ id }) => id);
    if (!one.fixed || !there.includes(one.source)) Object.assign(one, { source: there[0], fixed: false });
    if (!one.source) return false;
    const { written, live } = about.sources.find(({ id }) => id === one.source);
    if (one.growing?.source !== one.source) one.growing = new Growing(name, one.source);
    else if (one.written === written && !live) return false;
    one.written = written;
    return Boolean(await attempt(() => one.growing.update()));
  }

  draw(news) {
    this.list.show(this.found, this.chosen);
    history.replaceState(null, "", `#/${["experiments", this.view, ...this.chosen.keys()].map(encodeURIComponent).join("/")}`);
    const names = [...this.chosen.keys()].join("\n");
    const measured = this.found.experiments.filter(({ name }) => this.chosen.has(name)).map(({ evaluated }) => evaluated).join();
    if (this.view === "curves" && (news || names !== this.drawn)) {
      this.drawn = names;
      const some = [...this.chosen].filter(([, one]) => one.growing);
      this.curves.show(some.map(([name, { place, growing }]) => ({ label: name, ...looks(place), columns: growing.columns })));
    }
    if (this.view === "evaluations" && `${names}\n${measured}` !== this.compared) {
      this.compared = `${names}\n${measured}`;
      const places = new Map([...this.chosen].map(([name, { place }]) => [name, place]));
      attempt(() => this.evaluations.show([...this.chosen.keys()], places));
    }
  }
}
