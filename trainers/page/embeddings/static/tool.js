// Embeddings: a pixel is chosen, and what a network holds to be similar lights up in all pictures.

import { bitmap, get, latest, post, address } from "/static/lib/api.js";
import { choice, element, field, styled } from "/static/lib/dom.js";
import { noModel } from "/static/lib/models.js";
import { picker } from "/static/lib/picker.js";
import { attempt, say, Status } from "/static/lib/status.js";
import { bytesOf, colourOf, drawLegend, numbersOf, packed, painted } from "./colours.js";
import { View } from "./view.js";

const MOST = 12;
const FIRST = 4; // pictures of the folder that are there at the beginning
const LEVELS = 1023; // of colour
const SIZES = [256, 384, 512];
const HINT = "Click, tap or drag on a picture, or move with the arrow keys (Shift: farther).";

export async function open(main, parts, site) {
  await styled("/tools/embeddings/style.css");
  const shown = new Shown(main);
  await shown.start(site);
  return () => shown.close();
}

class Shown {
  constructor(main) {
    Object.assign(this, { views: [], longest: 384, look: "similarity", contrast: "median", turn: 0, chosen: undefined });
    this.models = element("div");
    this.grid = element("div", { class: "embedded" });
    this.legend = element("div", { class: "legend" });
    this.ask = latest(() => this.similar());
    const sizes = choice(SIZES.map((one) => [String(one), `${one} pixels`]), "384", (value) => this.changed({ longest: Number(value) }));
    const looks = [["similarity", "Similarity to a pixel"], ["components", "Main directions as colours"], ["nothing", "Pictures alone"]];
    const contrasts = [["median", "from the median up"], ["whole", "from −1 to 1"]];
    const opacity = element("input", { type: "range", min: 0, max: 100, value: 70, oninput: () => this.paint() });
    this.opacity = () => opacity.value / 100;
    const root = element("div", { class: "embeddings" }); // all of it takes pictures that are dropped
    main.append(root);
    this.status = new Status(root, "Embeddings");
    this.status.busy("Looking for models and pictures…");
    this.looks = choice(looks, "similarity", (value) => this.looked(value));
    this.contrasts = choice(contrasts, "median", (value) => ((this.contrast = value), this.paint()));
    this.bar = element(
      "div",
      { class: "bar controls" },
      this.models,
      field("It sees at most", sizes),
      field("Over the pictures", this.looks),
      field("Colours go", this.contrasts),
      field("How strong", opacity),
      picker((id, name) => this.add(id, name), root, { several: true }),
    );
    root.append(this.bar, this.legend, this.grid);
    this.root = root;
  }

  async start(site) {
    const [{ models, methods }, pictures] = await Promise.all([get("/api/embeddings/models"), get("/api/pictures")]);
    if (!models.length) {
      this.bar.hidden = true;
      this.status.tell("A network says which pixels are alike, and there is none yet.");
      this.root.append(noModel(methods, site.results));
      return;
    }
    const pairs = models.map(({ name, method }) => [name, `${name} (${method})`]);
    this.model = models[0].name;
    this.models.append(field("Model", choice(pairs, this.model, (value) => this.changed({ model: value }))));
    for (const { id, name } of pictures.slice(0, FIRST)) this.place(id, name);
    await this.prepare();
  }

  close() {
    this.turn++;
    this.closed = true;
  }

  place(id, name) {
    const view = new View(id, name, (one, point) => this.choose(one, point), (one) => this.remove(one));
    this.views.push(view);
    this.grid.append(view.root);
  }

  add(id, name) {
    if (this.views.some((view) => view.id === id)) return;
    if (this.views.length >= MOST) say(`At most ${MOST} pictures: remove one first.`, true);
    else {
      this.place(id, name);
      this.prepare();
    }
  }

  remove(view) {
    this.views = this.views.filter((one) => one !== view);
    view.root.remove();
    if (this.chosen?.view === view) this.chosen = undefined;
    this.refresh();
  }

  changed(what) {
    Object.assign(this, what);
    for (const view of this.views) Object.assign(view, { about: undefined, error: "" });
    this.prepare();
  }

  looked(look) {
    this.look = look;
    this.contrasts.disabled = look !== "similarity";
    this.refresh();
  }

  get ready() {
    return this.views.filter((view) => view.ready);
  }

  asked(pictures) {
    return { model: this.model, longest: this.longest, pictures };
  }

  /** Embeds the pictures that are not yet, one after the other, and then shows what was asked for. */
  async prepare() {
    if (!this.model) return;
    const mine = ++this.turn;
    const missing = this.views.filter((view) => !view.about && !view.error);
    for (const [i, view] of missing.entries()) {
      this.status.busy(`${this.model} embeds picture ${i + 1} of ${missing.length}, ${view.name}…`);
      view.say("being embedded…");
      const { longest, model } = this;
      try {
        const about = await (await post("/api/embeddings/prepare", this.asked([view.id]))).json();
        const picture = await bitmap(address("/api/embeddings/shown", { picture: view.id, longest }));
        if (this.closed || model !== this.model || longest !== this.longest) return;
        view.take(picture, about);
        const size = `${about.width} × ${about.height}`;
        const seen = about.seen.width === about.width ? size : `${size}, seen at ${about.seen.width} × ${about.seen.height}`;
        view.say(seen);
        view.size = seen;
      } catch (error) {
        if (model === this.model && longest === this.longest) view.fail(error.message);
      }
      if (mine !== this.turn) return;
    }
    this.refresh();
  }

  choose(view, point) {
    this.chosen = { view, point };
    this.look = this.looks.value = "similarity";
    this.contrasts.disabled = false;
    for (const one of this.views) one.mark = one === view ? point : undefined;
    view.redraw();
    this.ask();
  }

  /** Asks for what is shown over the pictures. */
  async refresh() {
    const first = this.ready[0];
    if (!first) {
      this.legend.replaceChildren();
      if (this.views.length) this.status.fail("None of these pictures could be embedded.");
      else this.status.tell("Choose pictures, or drop some here: then choose a pixel in one of them.");
      return;
    }
    if (this.look === "components") await this.components();
    else if (this.look === "nothing") {
      for (const view of this.ready) Object.assign(view, { overlay: undefined, best: undefined, mark: undefined });
      this.legend.replaceChildren();
      this.paint();
      this.status.tell(HINT);
    } else if (this.chosen?.view.ready) this.choose(this.chosen.view, this.chosen.point);
    else this.choose(first, { x: (first.about.width - 1) / 2, y: (first.about.height - 1) / 2 });
  }

  async similar() {
    const views = this.ready;
    const { view, point } = this.chosen ?? {};
    if (!views.includes(view) || this.look !== "similarity") return;
    const body = { ...this.asked(views.map(({ id }) => id)), chosen: views.indexOf(view), ...point };
    const found = await attempt(async () => (await post("/api/embeddings/similarity", body)).json());
    if (!found || this.closed || this.look !== "similarity" || body.model !== this.model || body.longest !== this.longest) return;
    views.forEach((one, i) => Object.assign(one, { map: found.maps[i], values: numbersOf(found.maps[i]), best: found.best[i] }));
    this.found = found;
    for (const one of views) {
      const { value, x, y } = one.best;
      one.say(one === view ? one.size : `most similar: ${number(value)} at (${Math.round(x)}, ${Math.round(y)})`);
      one.root.classList.toggle("chosen", one === view);
    }
    this.status.tell(`Chosen: pixel (${Math.round(point.x)}, ${Math.round(point.y)}) of ${view.name}. A ring is where each other picture is most similar.`);
    this.paint();
  }

  async components() {
    const views = this.ready;
    this.status.busy("Looking for the directions in which these pictures' vectors vary most…");
    const found = await attempt(async () => (await post("/api/embeddings/components", this.asked(views.map(({ id }) => id)))).json());
    if (!found || this.closed || this.look !== "components") return;
    views.forEach((view, i) => {
      const values = bytesOf(found.maps[i]);
      Object.assign(view, { best: undefined, mark: undefined, grey: false, overlay: painted(found.maps[i], (at) => packed(values.subarray(3 * at, 3 * at + 3))) });
      view.say(view.size);
      view.root.classList.remove("chosen");
    });
    const shares = found.shares.map((share) => `${Math.round(100 * share)} %`).join(", ");
    const words = found.shares.length
      ? `The three principal components of the vectors of all these pictures (${shares} of the variance) as red, green and blue, on one scale: the same colour is the same in all of them.`
      : "The vectors are the same everywhere: there is nothing to see.";
    this.legend.replaceChildren(element("p", { textContent: words }));
    this.status.tell(HINT);
    this.paint();
  }

  /** Draws again what is there: from bytes to colours, on one scale for all pictures. */
  paint() {
    const { low, high, middle } = this.found ?? {};
    if (this.look === "similarity" && this.found) {
      const [from, to] = this.contrast === "whole" ? [-1, 1] : [middle, Math.max(high, middle + 1e-3)];
      const table = Array.from({ length: LEVELS + 1 }, (_, i) => packed(colourOf(i / LEVELS)));
      const [scale, start] = [(high - low) / 65535 / (to - from), (low - from) / (to - from)];
      const paint = (values) => (i) => table[Math.round(Math.min(Math.max(start + values[i] * scale, 0), 1) * LEVELS)];
      for (const view of this.ready) if (view.values) Object.assign(view, { grey: true, overlay: painted(view.map, paint(view.values)) });
      this.explain(from, to);
    }
    for (const view of this.views) {
      view.opacity = this.opacity();
      view.redraw();
    }
  }

  explain(from, to) {
    const ramp = element("canvas", { role: "img", "aria-label": "Colours from least to most similar" });
    drawLegend(ramp);
    const words =
      this.contrast === "whole"
        ? "Similarity is the dot product of vectors of length 1: 1 is the same, 0 has nothing in common, −1 is opposite."
        : "Similarity is the dot product of vectors of length 1. Black: the median of all pixels of these pictures, or less; brightest: the most similar.";
    const digits = to - from < 0.1 ? 3 : 2;
    this.legend.replaceChildren(element("span", { textContent: number(from, digits) }), ramp, element("span", { textContent: number(to, digits) }), element("p", { class: "faint", textContent: `${words} ${HINT}` }));
  }
}

const number = (value, digits = 3) => value.toFixed(digits).replace("-", "−");
