// Datasets: what there is, a view as a grid, one sample large. The address says which: #/datasets/DATASET/VIEW/FILTERS/KEY.

import { styled } from "/static/lib/dom.js";
import { openGrid } from "./grid.js";
import { openList } from "./list.js";
import { openSample } from "./sample.js";

const FILTERS = ["video", "failure", "motion_from", "motion_to", "points_from", "points_to", "order", "show"];

export async function open(main, parts, site) {
  await styled("/tools/datasets/datasets.css");
  const [dataset, view, filters = "", key] = parts;
  if (!dataset || !view) return openList(main, site);
  const asked = [...new URLSearchParams(filters)].filter(([name, value]) => value && FILTERS.includes(name));
  const place = { dataset, view, filters: new URLSearchParams(asked) };
  return key ? openSample(main, place, key) : openGrid(main, place);
}
