// Addresses of this part of the page, and of what it asks.

import { address } from "/static/lib/api.js";
import { element } from "/static/lib/dom.js";

/** The part of the address after #: a view with its filters, or a sample among those that they let through. */
export function hashOf({ dataset, view, filters }, key = undefined) {
  const parts = [dataset, view, filters.toString(), ...(key === undefined ? [] : [key])];
  return `#/datasets/${parts.map(encodeURIComponent).join("/")}`;
}

/** The title of a view: the way to the others, and its names. */
export const titleOfView = ({ dataset, view }) => [element("a", { href: "#/datasets", textContent: "Datasets" }), ` / ${dataset} / ${view}`];

/** What is asked of a view, with its filters or without. */
export const named = ({ dataset, view }) => ({ dataset, view });
export const filtered = (place) => ({ ...named(place), ...Object.fromEntries(place.filters), show: undefined });

export const thumbOf = (place, version, row, member) => address("/api/datasets/thumb", { ...named(place), version, row, member });

const many = new Intl.NumberFormat("en");
export const count = (number, noun = "") => `${many.format(number)}${noun ? ` ${noun}${number === 1 ? "" : "s"}` : ""}`;
