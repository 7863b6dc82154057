// Playing an animation.

import { post } from "/static/lib/api.js";
import { partsOf } from "./parts.js";

/** Plays frames forwards, and backwards where that is set, until it is stopped. */
export class Player {
  /**
   * show(bitmap, index): shows a frame; said(text, share): how far it is; ended(): it stopped, for whatever reason.
   * film(): {frames, speed, back} as it is set now.
   */
  constructor({ film, show, said, ended }) {
    Object.assign(this, { film, show, said, ended });
    this._frames = [];
    this._key = "";
    this._abort = undefined;
  }

  get busy() {
    return this._abort !== undefined;
  }

  stop() {
    if (!this.busy) return;
    this._abort.abort();
    this._abort = undefined;
    this.ended();
  }

  /** Makes the frames where they are not there yet, and plays them; body: what is sent for them, but for their number. */
  async play(body) {
    this.stop();
    const abort = new AbortController();
    this._abort = abort;
    try {
      await this._make({ ...body, frames: this.film().frames }, abort.signal);
      await this._loop(abort.signal);
    } finally {
      if (this._abort === abort) this.stop();
    }
  }

  async _make(body, signal) {
    if (JSON.stringify(body) === this._key) return;
    this._key = "";
    this._frames = [];
    this.said(`Making frame 1 of ${body.frames}…`, 0);
    for await (const { data } of partsOf(await post("/api/marionette/frames", body, signal))) {
      const frame = new Blob([data], { type: "image/jpeg" });
      const made = this._frames.push(frame);
      this.said(`Making frame ${Math.min(made + 1, body.frames)} of ${body.frames}…`, made / body.frames);
      const bitmap = await createImageBitmap(frame);
      signal.throwIfAborted();
      this.show(bitmap, made - 1);
    }
    if (this._frames.length < body.frames) throw new Error("Not all frames came: try again.");
    this._key = JSON.stringify(body);
  }

  /** Decodes each frame while the one before is seen: all of them at once would fill a phone's memory. */
  async _loop(signal) {
    const last = this._frames.length - 1;
    const index = (place) => (place <= last ? place : 2 * last - place);
    let place = 0;
    let due = performance.now();
    let next = createImageBitmap(this._frames[0]);
    this.said("", undefined);
    while (true) {
      const bitmap = await next;
      await until(due);
      if (signal.aborted) return;
      this.show(bitmap, index(place));
      const { speed, back } = this.film();
      due = Math.max(due + 1000 / speed, performance.now()); // a slow device plays slower, and not in bursts
      place = (place + 1) % (back ? 2 * last : last + 1);
      next = createImageBitmap(this._frames[index(place)]);
    }
  }
}

const until = (time) => new Promise((done) => setTimeout(done, Math.max(0, time - performance.now())));
