// One map of colours for similarity, matplotlib's magma (CC0), and pictures made of bytes.

const STOPS = [
  "000004", "0a0822", "1d1147", "36106b", "51127c", "6a1c81", "832681", "9c2e7f", "b73779", "d0416f", "e75263", "f56b5c", "fc8961", "fea772", "fec488",
  "fde2a3", "fcfdbf",
].map((stop) => [0, 2, 4].map((place) => parseInt(stop.slice(place, place + 2), 16)));

/** The colour of a share from 0 to 1: red, green and blue, 0 to 255. */
export function colourOf(share) {
  const place = Math.min(Math.max(share, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(place), STOPS.length - 2);
  return [0, 1, 2].map((i) => STOPS[low][i] + (place - low) * (STOPS[low + 1][i] - STOPS[low][i]));
}

export const bytesOf = ({ bytes }) => Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));

/** The numbers of a map, 0 to 65535: as the server sends them and as all machines that browsers are on have them in memory. */
export const numbersOf = (map) => new Uint16Array(bytesOf(map).buffer);

/** A colour as a canvas has it in memory, in the order of bytes of all machines that browsers are on. */
export const packed = ([red, green, blue]) => ((255 << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0;

/** A canvas of a map, with its last column and row twice: paint(i) gives the packed colour of its i-th cell. */
export function painted({ width, height }, paint) {
  const canvas = new OffscreenCanvas(width + 1, height + 1);
  const context = canvas.getContext("2d");
  const image = context.createImageData(width + 1, height + 1);
  const pixels = new Uint32Array(image.data.buffer);
  for (let y = 0, i = 0; y <= height; y++) {
    const row = Math.min(y, height - 1) * width;
    for (let x = 0; x <= width; x++) pixels[i++] = paint(row + Math.min(x, width - 1));
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/** Draws the map of colours from left to right. */
export function drawLegend(canvas) {
  Object.assign(canvas, { width: 180, height: 1 });
  canvas.getContext("2d").drawImage(painted({ width: 180, height: 1 }, (i) => packed(colourOf(i / 179))), 0, 0);
}

/** A copy of a picture in grey, so that only the heat over it has colours. */
export function greyed(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext("2d");
  context.drawImage(picture, 0, 0);
  const image = context.getImageData(0, 0, picture.width, picture.height);
  const { data } = image;
  for (let i = 0; i < data.length; i += 4) data[i] = data[i + 1] = data[i + 2] = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  context.putImageData(image, 0, 0);
  return canvas;
}
