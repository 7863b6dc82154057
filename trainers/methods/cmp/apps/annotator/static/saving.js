// Sends what was drawn after every change: it is saved, and the masks of clicks are computed.

import { post } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";

const TAB = crypto.getRandomValues(new Uint32Array(3)).join("-");
const AGAIN = 2000; // milliseconds

/**
 * Saves one image's drawing, the newest state only while an answer is awaited.
 *
 * status says what goes on; changed() is called when masks came; stopped(text) when somebody else changed it.
 */
export class Saving {
  constructor(opened, drawing, { writable, status, changed, stopped }) {
    Object.assign(this, { opened, drawing, writable, status, changed, stopped });
    this.revision = opened.revision;
    this.done = opened.done;
    this.anew = false;
    this.unsaved = false;
  }

  /** Saves what there is now; the promise ends when nothing waits any more. */
  ask() {
    this.unsaved = this.writable;
    this.wanted = true;
    this.running ??= this._run().finally(() => (this.running = undefined));
    return this.running;
  }

  async _run() {
    let lost = false;
    while (this.wanted) {
      this.wanted = false;
      const objects = this.drawing.told();
      const computes = objects.some((one, i) => one.base === null && this.drawing.base(this.drawing.objects[i]) === null);
      if (!lost) this.status.busy(computes ? "Computing the mask…" : this.writable ? "Saving…" : "Sending…");
      const { name, sha256 } = this.opened;
      try {
        const body = { image: name, sha256, revision: this.revision, tab: TAB, done: this.done, anew: this.anew, objects };
        const answer = await (await post("/api/annotate/save", body)).json();
        if (lost) this.status.clear();
        lost = false;
        this._answered(objects, answer);
      } catch (error) {
        if (error.status === 409) return this.stopped(error.message);
        if (error.status) this._failed(error);
        else {
          lost = true;
          this.status.fail(`Not saved: ${error.message} Trying again.`);
          await new Promise((resolve) => setTimeout(resolve, AGAIN));
          this.wanted = true;
        }
      }
    }
  }

  /** The server cannot save it: what was drawn stays on the page, and what was saved before in its file. */
  _failed(error) {
    const again = element("button", { type: "button", textContent: "Try again", onclick: () => this.ask() });
    this.status.fail(`Not saved: ${error.message}`, again);
  }

  _answered(sent, { revision, bases, trouble }) {
    this.revision = revision;
    this.anew = false;
    this.drawing.computed(sent, bases);
    if (!this.wanted) this.unsaved = false;
    const saved = this.writable ? "Saved" : "Read-only: not saved";
    const empty = Object.values(bases).some((base) => !this.drawing.bytes(base).includes(1));
    this.status.tell(empty ? `${saved}, but the model sees nothing move with the clicks: click elsewhere` : saved);
    if (trouble) this.status.fail(trouble);
    this.changed();
  }
}
