// The members of one sample: pictures as bitmaps, others as arrays of numbers, each asked for once.

import { address, ask, bitmap } from "/static/lib/api.js";
import { named } from "./where.js";

const TYPES = { uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, float32: Float32Array };

export class Members {
  /** facts: what the server said of the sample. */
  constructor(place, version, facts) {
    Object.assign(this, { place, version, facts });
    this.names = facts.members.map((member) => member.name);
    this.asked = new Map();
    this.arrays = new Map(); // those that have come, to tell values of
    this.stopped = new AbortController();
  }

  close() {
    this.stopped.abort();
  }

  has(name) {
    return this.names.includes(name);
  }

  geometry(name) {
    return this.facts.members.find((member) => member.name === name)?.geometry;
  }

  picture(name) {
    return this._once(name, () => bitmap(this._address("picture", name), this.stopped.signal));
  }

  /** {shape, data, full}: flow in pixels, full the speed of full colour; labels and masks; points and trees. */
  array(name) {
    return this._once(name, async () => {
      const answer = await ask(this._address("array", name), { signal: this.stopped.signal });
      const shape = answer.headers.get("Array-Shape").split(",").map(Number);
      const data = new TYPES[answer.headers.get("Array-Type")](await answer.arrayBuffer());
      const array = { name, shape, data, full: Number(answer.headers.get("Full-Color")) };
      this.arrays.set(name, array);
      return array;
    });
  }

  _address(what, name) {
    return address(`/api/datasets/${what}`, { ...named(this.place), version: this.version, row: this.facts.row, member: name });
  }

  _once(name, work) {
    if (!this.asked.has(name)) this.asked.set(name, work());
    return this.asked.get(name);
  }
}

/** The image on which a member lies: of the next frame where it is of that, else the sample's own. */
export function frameOf(members, name) {
  const prefix = /^(?:truth\.|masks\.)*(previous\.|next\.)?/.exec(name)[1] ?? "";
  return members.has(`${prefix}jpg`) ? `${prefix}jpg` : undefined;
}
