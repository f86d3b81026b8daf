// Colour maps as 256 colours: viridis and cividis as published with matplotlib, read at nine places.
"use strict";

videxplain.colourMaps = (() => {
  const anchors = {
    viridis: ["440154", "472d7b", "3b528b", "2c728e", "21918c", "28ae80", "5ec962", "addc30", "fde725"],
    cividis: ["00224e", "16396d", "434e6c", "5f636e", "7d7c78", "9b9477", "bcaf6f", "ddcc58", "fee838"],
    jet: ["000080", "0000ff", "0080ff", "00ffff", "80ff80", "ffff00", "ff8000", "ff0000", "800000"],
  };
  const rgb = (hex) => [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));

  function table(colours) {
    const found = new Uint8ClampedArray(3 * 256);
    for (let level = 0; level < 256; level += 1) {
      const place = (level / 255) * (colours.length - 1);
      const left = Math.min(Math.floor(place), colours.length - 2);
      for (let c = 0; c < 3; c += 1) {
        found[3 * level + c] = colours[left][c] + (place - left) * (colours[left + 1][c] - colours[left][c]);
      }
    }
    return found;
  }

  return Object.fromEntries(Object.entries(anchors).map(([name, each]) => [name, table(each.map(rgb))]));
})();

videxplain.scaleBar = (name) => {
  const canvas = videxplain.element("canvas", { width: 256, height: 1, class: "scale", role: "img", "aria-label": `colours of ${name}, from 0 to 1` });
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(256, 1);
  const colours = videxplain.colourMaps[name];
  for (let level = 0; level < 256; level += 1) {
    pixels.data.set([...colours.slice(3 * level, 3 * level + 3), 255], 4 * level);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
};
