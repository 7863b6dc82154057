// A grid of any number of cells, of which only those that are seen are in the document.

import { element } from "/static/lib/dom.js";

const MOST_HEIGHT = 8e6; // pixels: browsers take some 17 million; of higher grids a step of the wheel is a larger one
const GAP = 8;
const CAPTION = 26;

/**
 * draw(index): the link of a cell. It is called again when anything about the cells changes, after refresh().
 * seen(first, last): which cells are seen now.
 */
export class ScrollGrid {
  constructor(scroller, { draw, seen, label }) {
    Object.assign(this, { scroller, drawCell: draw, seen, total: 0, focused: 0, caption: CAPTION });
    this.cells = new Map();
    this.root = element("div", { class: "samples", role: "group", "aria-label": label });
    this.root.addEventListener("keydown", (event) => this._key(event));
    this.root.addEventListener("focusin", (event) => {
      const index = Number(event.target.closest("a")?.dataset.index);
      if (index >= 0) this._rove(index);
    });
    this._onscroll = () => this.render();
    scroller.addEventListener("scroll", this._onscroll, { passive: true });
    this._sizes = new ResizeObserver(() => this._resized());
    this._sizes.observe(this.root);
    this._sizes.observe(scroller);
  }

  close() {
    this.scroller.removeEventListener("scroll", this._onscroll);
    this._sizes.disconnect();
  }

  /** Draws all cells anew, of which there are so many now, over captions of so many lines. */
  refresh(total, lines = 1) {
    this.total = total;
    this.caption = CAPTION * lines;
    this.focused = Math.min(this.focused, Math.max(total - 1, 0));
    for (const cell of this.cells.values()) cell.remove();
    this.cells.clear();
    this._resized();
  }

  /** Scrolls so that a cell is seen, and may give it the focus. */
  reach(index, focus = false) {
    const y = Math.floor(index / this.columns) * this.height;
    const room = this.scroller.clientHeight;
    const seen = y - this._from + Math.max(this._top - this.scroller.scrollTop, 0); // below the upper edge
    if (seen < 0 || seen + this.height > room) this.scroller.scrollTop = this._top + this._at(Math.max(y - (room - this.height) / 2, 0));
    this._rove(index);
    this.render();
    if (focus) this.cells.get(index)?.focus({ preventScroll: true });
  }

  render() {
    if (!this.columns) return;
    const from = this._from;
    const room = this.scroller.clientHeight;
    const first = Math.max(Math.floor(from / this.height) - 1, 0) * this.columns;
    const last = Math.min((Math.ceil((from + room) / this.height) + 1) * this.columns, this.total);
    for (const [index, cell] of this.cells) {
      if (index < first || index >= last) {
        cell.remove();
        this.cells.delete(index);
      }
    }
    this.seen(first, last);
    for (let index = first; index < last; index += 1) this._place(index, from);
    if (this.cells.size && !this.cells.has(this.focused)) this._rove(Math.min(first + this.columns, last - 1));
  }

  /** The height of all rows, of which the document has at most MOST_HEIGHT. */
  get _full() {
    return Math.ceil(this.total / this.columns) * this.height;
  }

  get _ratio() {
    const room = this.scroller.clientHeight;
    return this._full > MOST_HEIGHT ? (this._full - room) / (MOST_HEIGHT - room) : 1;
  }

  get _top() {
    return this.root.offsetTop - this.scroller.offsetTop;
  }

  /** Which part of all rows is seen: pixels above the upper edge. */
  get _from() {
    return Math.max(this.scroller.scrollTop - this._top, 0) * this._ratio;
  }

  _at(y) {
    return y / this._ratio;
  }

  _place(index, from) {
    let cell = this.cells.get(index);
    if (!cell) {
      cell = this.drawCell(index);
      cell.dataset.index = index;
      cell.tabIndex = index === this.focused ? 0 : -1;
      cell.style.width = `${this.width - GAP}px`;
      cell.style.height = `${this.height - GAP}px`;
      this.cells.set(index, cell);
      this.root.append(cell);
    }
    const y = Math.floor(index / this.columns) * this.height - from + from / this._ratio;
    cell.style.transform = `translate(${(index % this.columns) * this.width}px, ${y}px)`;
  }

  _resized() {
    const width = this.root.clientWidth;
    if (!width) return;
    const at = this.columns ? Math.round(this._from / this.height) * this.columns : 0;
    const columns = Math.max(2, Math.floor(width / 190));
    const changed = columns !== this.columns || width / columns !== this.width;
    const before = this.columns;
    this.columns = columns;
    this.width = width / columns;
    this.height = Math.round((this.width - GAP) * 0.75) + this.caption + GAP;
    this.root.style.height = `${Math.min(this._full, MOST_HEIGHT)}px`;
    if (changed) {
      for (const cell of this.cells.values()) cell.remove();
      this.cells.clear();
      if (before && at) this.scroller.scrollTop = this._top + this._at(Math.floor(at / columns) * this.height);
    }
    this.render();
  }

  _rove(index) {
    const before = this.cells.get(this.focused);
    if (before) before.tabIndex = -1;
    this.focused = index;
    const cell = this.cells.get(index);
    if (cell) cell.tabIndex = 0;
  }

  _key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height)) * this.columns;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page };
    let index = this.focused + (steps[event.key] ?? 0);
    if (event.key === "Home") index = 0;
    else if (event.key === "End") index = this.total - 1;
    else if (!steps[event.key]) return;
    event.preventDefault();
    this.reach(Math.min(Math.max(index, 0), this.total - 1), true);
  }
}
