// The rows of a view, by pages: the server is asked for what is seen, and what was seen last is kept.

import { get } from "/static/lib/api.js";
import { filtered } from "./where.js";

const PAGE = 100;
const MOST_PAGES = 40;

export class Rows {
  /** arrived(first, last): rows are there that were not before. */
  constructor(place, arrived, failed) {
    Object.assign(this, { place, arrived, failed });
    this.pages = new Map();
    this.stopped = new AbortController();
  }

  /** Asks how many rows there are, and for the first ones. */
  async begin() {
    const { total, version, rows } = await this._ask(0);
    this.version = version;
    this.pages.set(0, rows);
    return total;
  }

  close() {
    this.stopped.abort();
  }

  at(index) {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** Sees to it that rows come; those of places that are only passed by are not asked for. */
  want(first, last) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      for (let page = Math.floor(first / PAGE); page <= Math.floor(Math.max(last - 1, 0) / PAGE); page += 1) {
        if (!this.pages.has(page)) this._load(page);
      }
    }, 60);
  }

  async _load(page) {
    this.pages.set(page, undefined);
    try {
      const { rows, version } = await this._ask(page * PAGE);
      if (version !== this.version) throw new Error("The view was made again meanwhile: reload the page.");
      this.pages.delete(page); // so that the newest stand last
      this.pages.set(page, rows);
      for (const old of [...this.pages.keys()].slice(0, Math.max(this.pages.size - MOST_PAGES, 0))) this.pages.delete(old);
      this.arrived(page * PAGE, page * PAGE + rows.length);
    } catch (error) {
      this.pages.delete(page);
      if (error.name !== "AbortError") this.failed(error);
    }
  }

  _ask(offset) {
    return get("/api/datasets/rows", { ...filtered(this.place), offset, count: PAGE }, this.stopped.signal);
  }
}
