// One folder that is worked through: the image that is open, and what is done with it.

import { address, bitmap, get } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";
import { attempt, say } from "/static/lib/status.js";
import { Controls, SIZES, TOOLS } from "./controls.js";
import { Drawing } from "./drawing.js";
import { Editor } from "./editor.js";
import { listen } from "./keys.js";
import { Saving } from "./saving.js";

export class Page {
  constructor({ images, writable, palette }, models, status, results) {
    Object.assign(this, { images, writable, palette, models, status, results, tools: { tool: "plus", size: 12 }, threshold: 0.5, turn: 0 });
    this.model = (models.find((one) => one.name.startsWith("shipped:")) ?? models[0])?.name ?? "";
    this.editor = new Editor(this.tools, palette, { point: (at, positive) => this.click(at, positive), stroke: (bytes, adds) => this.stroke(bytes, adds) });
    this.controls = new Controls(this);
    this.useModel(this.model);
    this.stopKeys = listen(this._keys());
    this.leaving = (event) => this.saving?.unsaved && event.preventDefault();
    addEventListener("beforeunload", this.leaving);
  }

  /** Has the server load the model, so that the first click need not wait for it. */
  useModel(name) {
    this.model = name;
    if (name) attempt(() => get("/api/annotate/ready", { model: name }));
  }

  close() {
    this.turn++;
    this.stopKeys();
    removeEventListener("beforeunload", this.leaving);
  }

  /** Opens an image by its place. What was drawn before is saved first. */
  async load(index) {
    if (this.saving?.unsaved) await Promise.race([this.saving.running ?? this.saving.ask(), new Promise((resolve) => setTimeout(resolve, 8000))]);
    if (this.saving?.unsaved) {
      say("What was drawn here is not saved yet: try again.", true);
      this._refresh();
      return;
    }
    const turn = ++this.turn;
    this.index = index;
    const { name } = this.images[index];
    this.drawing = this.saving = null;
    this.editor.empty();
    this._refresh();
    this.status.busy("Opening…");
    history.replaceState(null, "", `#/annotate/${encodeURIComponent(name)}`);
    try {
      const query = { image: name };
      const [opened, picture] = await Promise.all([get("/api/annotate/opened", query), bitmap(address("/api/annotate/picture", query))]);
      if (turn === this.turn) this._opened(opened, picture);
    } catch (error) {
      if (turn === this.turn) this.status.fail(error.message);
    }
  }

  _opened(opened, picture) {
    this.drawing = new Drawing(opened);
    this.saving = new Saving(opened, this.drawing, {
      writable: this.writable,
      status: this.status,
      changed: () => this._refresh(false),
      stopped: (text) => this._stopped(text),
    });
    this.editor.show(picture, this.drawing);
    this.status.tell(opened.objects.length ? "What was saved is shown" : this.model ? "Click on an object" : "Paint an object with the brush");
    if (opened.other) this._other(`${opened.other}.`, picture);
    else if (this.drawing.objects.some((one) => this.drawing.base(one) === null)) this.saving.ask();
    this._refresh();
  }

  /** Another image of this name was annotated: nothing is drawn before somebody says so. */
  _other(text, picture) {
    const { drawing } = this;
    this.drawing = this.editor.drawing = null;
    const start = () => {
      this.saving.anew = true;
      this.drawing = drawing;
      this.editor.show(picture, drawing);
      this.status.clear();
      this._refresh();
    };
    const button = this.writable && element("button", { textContent: "Start anew (that one is kept under another name)", onclick: start });
    this.status.tell("");
    this.status.fail(text, button);
  }

  _stopped(text) {
    this.saving.unsaved = false;
    this.drawing = this.editor.drawing = null;
    this.status.tell("Not saved");
    this.status.fail(text, element("button", { textContent: "Reload", onclick: () => this.load(this.index) }));
    this._refresh();
  }

  click(at, positive) {
    if (!this.drawing) return;
    if (!this.model) {
      say("There is no model of cmp to click with: train one, or paint with the brush.", true);
      return;
    }
    this._mark(() => this.drawing.click(at, positive, this.model));
    if (!this.drawing.object.points.some((point) => point.positive)) say("Now click with + on what belongs to the object.");
  }

  stroke(bytes, adds) {
    if (this.drawing) this._mark(() => this.drawing.stroke(bytes, adds));
  }

  /** Marks something; where there is no object yet it is the first's. */
  _mark(work) {
    this.drawing.together(() => {
      if (!this.drawing.object) this.drawing.add(this._usual(), this.model, this.threshold);
      if (!this.drawing.object.shown) this.drawing.set(this.drawing.with(this.drawing.active, { shown: true }));
      work();
    });
    this._changed();
  }

  /** The class that a new object gets: that of the last one, here or on another image. */
  _usual() {
    return this.drawing.objects.at(-1)?.name ?? this.lastClass ?? this.images.flatMap((one) => one.classes)[0] ?? "object";
  }

  _changed(listed = true) {
    this.images[this.index].classes = [...new Set(this.drawing.objects.map((one) => one.name))];
    this.saving.ask();
    this._refresh(listed);
  }

  /** Changes the drawing, and saves it. */
  change(work) {
    if (!this.drawing) return;
    work(this.drawing);
    this._changed();
  }

  add() {
    this.change((drawing) => drawing.add(this._usual(), this.model, this.threshold));
  }

  remove(index) {
    this.change((drawing) => drawing.objects.length && drawing.change(drawing.objects.filter((_, i) => i !== index), index < drawing.active ? drawing.active - 1 : drawing.active));
  }

  rename(index, name) {
    this.lastClass = name;
    this.drawing.change(this.drawing.with(index, { name }));
    this._changed(false);
  }

  setTool(name) {
    this.tools.tool = name;
    this._refresh(false);
  }

  setSize(size) {
    this.tools.size = size;
    this.controls.size.value = SIZES.indexOf(size);
    this._refresh(false);
  }

  /** The threshold follows the slider; undo goes back to where it was before it was touched. */
  setThreshold(value, ended) {
    this.threshold = value;
    const { drawing } = this;
    if (!drawing?.object) return;
    this.before ??= drawing.object.threshold;
    if (!ended) drawing.set(drawing.with(drawing.active, { threshold: value }));
    else {
      drawing.set(drawing.with(drawing.active, { threshold: this.before }));
      this.before = undefined;
      drawing.change(drawing.with(drawing.active, { threshold: value }));
    }
    this._changed(false);
  }

  /** Marks the image as done, and goes to the next that is not; of one that is done, takes the mark away. */
  async toggleDone() {
    if (!this.drawing || !this.writable) return;
    const done = !this.saving.done;
    this.saving.done = this.images[this.index].done = done;
    this._refresh(false);
    await this.saving.ask();
    if (!done || this.saving.unsaved) return;
    const order = [...this.images.keys()].map((i) => (this.index + 1 + i) % this.images.length);
    const next = order.find((i) => !this.images[i].done);
    if (next === undefined) say("All images are done.");
    else this.load(next);
  }

  step(by) {
    const index = this.index + by;
    if (index >= 0 && index < this.images.length) this.load(index);
  }

  _keys() {
    const sized = (by) => this.setSize(SIZES[Math.min(Math.max(SIZES.indexOf(this.tools.size) + by, 0), SIZES.length - 1)]);
    const tools = Object.fromEntries(TOOLS.map(([name], i) => [String(i + 1), () => this.setTool(name)]));
    return {
      ...tools,
      "[": () => sized(-1),
      "]": () => sized(1),
      z: () => this.change((drawing) => drawing.undo()),
      y: () => this.change((drawing) => drawing.redo()),
      a: () => this.add(),
      Delete: () => this.drawing && this.remove(this.drawing.active),
      h: () => this.toggleMasks(),
      d: () => this.toggleDone(),
      PageUp: () => this.step(-1),
      PageDown: () => this.step(1),
      Enter: (event) => this.editor.mark(event.shiftKey),
    };
  }

  toggleMasks() {
    this.editor.shown = !this.editor.shown;
    this._refresh(false);
  }

  choose(index) {
    this.drawing.set(this.drawing.objects, index);
    this._refresh();
  }

  toggleShown(index) {
    this.change((drawing) => drawing.set(drawing.with(index, { shown: !drawing.objects[index].shown })));
  }

  /** Shows how all stands; the list of objects only where more changed than a text that is being written. */
  _refresh(listed = true) {
    this.controls.refresh(listed);
    this.editor.redraw();
  }
}
