// The arrows: what there is, which one is chosen, and what can be undone.

/** An arrow is {y, x, dy, dx} in pixels of the picture, and is never changed: another takes its place. No motion: a fixed point. */
export const isFixed = (arrow) => arrow.dy === 0 && arrow.dx === 0;

export const head = ({ y, x, dy, dx }) => ({ y: y + dy, x: x + dx });

export const rows = (list) => list.map(({ y, x, dy, dx }) => [y, x, dy, dx]);

const round = (value) => Math.round(value * 10) / 10;
const within = (value, most) => Math.min(Math.max(value, 0), most);

export class Arrows {
  /** changed() is called after each change, also of which one is chosen; most: how many there may be. */
  constructor(changed, most) {
    Object.assign(this, { list: [], chosen: -1, width: 1, height: 1, most });
    this._changed = changed;
    this._past = [];
    this._mark = undefined;
  }

  get current() {
    return this.list[this.chosen];
  }

  get undoable() {
    return this._past.length > 0;
  }

  /** Begins anew on a picture. */
  begin(width, height) {
    Object.assign(this, { list: [], chosen: -1, width, height, _past: [], _mark: undefined });
    this._changed();
  }

  /** Remembers how things are, before they change; changes of one `name` in a row are undone together. */
  mark(name = undefined) {
    if (name === undefined || name !== this._mark) this._past.push({ list: this.list, chosen: this.chosen });
    this._mark = name;
  }

  undo() {
    const before = this._past.pop();
    if (!before) return;
    Object.assign(this, before, { _mark: undefined });
    this._changed();
  }

  choose(index) {
    this.chosen = index;
    this._mark = undefined;
    this._changed();
  }

  /** Adds a fixed point and chooses it; false where there are too many. */
  add(point) {
    if (this.list.length >= this.most) return false;
    this.mark();
    this.list = [...this.list, { ...this._kept(point), dy: 0, dx: 0 }];
    this.chosen = this.list.length - 1;
    this._changed();
    return true;
  }

  /** Pulls the head of the chosen one to a point. */
  pullTo(point) {
    const { y, x } = this.current;
    const to = this._kept(point);
    this._put({ y, x, dy: round(to.y - y), dx: round(to.x - x) });
  }

  /** Moves the chosen one, so that its foot is at a point, as far as its head stays in the picture. */
  moveTo(point) {
    const { dy, dx } = this.current;
    const y = Math.min(Math.max(point.y, 0, -dy), this.height - 1, this.height - 1 - dy);
    const x = Math.min(Math.max(point.x, 0, -dx), this.width - 1, this.width - 1 - dx);
    this._put({ y: round(y), x: round(x), dy, dx });
  }

  remove() {
    if (!this.current) return;
    this.mark();
    this.list = this.list.filter((_, i) => i !== this.chosen);
    this.chosen = -1;
    this._changed();
  }

  clear() {
    if (!this.list.length) return;
    this.mark();
    Object.assign(this, { list: [], chosen: -1 });
    this._changed();
  }

  _kept(point) {
    return { y: within(round(point.y), this.height - 1), x: within(round(point.x), this.width - 1) };
  }

  _put(arrow) {
    this.list = this.list.map((one, i) => (i === this.chosen ? arrow : one));
    this._changed();
  }
}
