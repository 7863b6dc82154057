// Masks as COCO's compressed run lengths, column by column, zeros first.

/** Decodes to a byte a pixel, row by row. */
export function decode({ size: [height, width], counts }) {
  const mask = new Uint8Array(width * height);
  const runs = [];
  for (let at = 0; at < counts.length; ) {
    let value = 0;
    let shift = 0;
    let digit;
    do {
      digit = counts.charCodeAt(at++) - 48;
      value |= (digit & 31) << shift;
      shift += 5;
    } while (digit & 32);
    if (digit & 16 && shift < 32) value |= -1 << shift;
    runs.push(runs.length > 2 ? value + runs[runs.length - 2] : value);
  }
  let place = 0;
  runs.forEach((run, index) => {
    const end = place + run;
    if (index % 2) for (let i = place; i < end; i++) mask[(i % height) * width + Math.floor(i / height)] = 1;
    place = end;
  });
  return mask;
}

/** Encodes a byte a pixel; gives null where nothing is inside. */
export function encode(mask, height, width) {
  const runs = [];
  let now = 0;
  let length = 0;
  for (let x = 0; x < width; x++) {
    for (let i = x; i < mask.length; i += width) {
      if (mask[i] !== now) {
        runs.push(length);
        length = 0;
        now = mask[i];
      }
      length++;
    }
  }
  if (!now && !runs.length) return null;
  runs.push(length);
  return { size: [height, width], counts: runs.map((run, index) => digits(index > 2 ? run - runs[index - 2] : run)).join("") };
}

function digits(value) {
  let text = "";
  for (let more = true; more; ) {
    let digit = value & 31;
    value >>= 5;
    more = digit & 16 ? value !== -1 : value !== 0;
    if (more) digit |= 32;
    text += String.fromCharCode(digit + 48);
  }
  return text;
}
