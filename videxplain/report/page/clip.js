// Everything about one clip: every method and area, its numbers and curves, and the command that made it.
"use strict";

videxplain.clip = async (view, name) => {
  const { element, table, number, unique, network, areaName, plots } = videxplain;
  const { clips } = await videxplain.load("clips");
  const clip = clips.find((each) => each.clip === name);
  if (!clip) {
    view.replaceChildren(element("h1", {}, "No such clip"), element("p", {}, element("a", { href: "#/gallery" }, "All clips")));
    return;
  }
  const { tiles } = await videxplain.load(`clips/${clip.clip}`);
  const rows = tiles.flatMap((tile) => tile.records.map((record) => ({ tile, ...record })));
  const metrics = unique(rows.flatMap((row) => Object.keys(row.metrics)));
  const columns = [
    { title: "network", value: (row) => network(row.tile), cell: (row) => network(row.tile) },
    { title: "method", value: (row) => row.tile.method, cell: (row) => row.tile.method },
    { title: "area", value: (row) => row.area, align: "number", cell: (row) => areaName(row.area) },
    { title: "class", value: (row) => row.tile.target, cell: (row) => row.tile.target },
    { title: "prediction", value: (row) => row.tile.prediction, cell: (row) => row.tile.prediction },
    { title: "probability", value: (row) => row.tile.probability, align: "number", cell: (row) => number(row.tile.probability) },
    ...metrics.map((metric) => ({ title: metric, align: "number", value: (row) => row.metrics[metric], cell: (row) => number(row.metrics[metric]) })),
  ];
  const curves = element("div");
  const titles = tiles.map((tile, at) => ({ value: String(at), title: `${tile.method}, ${network(tile)}` }));

  async function show(tile) {
    const media = await videxplain.load(`media/${tile.job}/${clip.clip}`);
    const areas = tile.maps.map((map) => areaName(map.area));
    const figure = (title, said, lines, axes) => plots.figure(title, said, lines.map(([label, x, y]) => plots.line(label, lines.map((each) => each[0]), x, y)), axes);
    const found = [
      ...Object.entries(media.iterations).map(([curve, values]) => figure(curve, "A line an area.",
        values.map((each, at) => [areas[at], each.map((_, i) => i), each]), { x: "iteration", y: curve })),
      ...Object.entries(media.shares).map(([metric, each]) => figure(metric, "A line an area.",
        each.map((one) => [areaName(one.area), one.shares, one.values]), { x: "share of the clip", y: "probability" })),
      figure("Importance of each frame", "Share of the saliency that lies in it.",
        media.temporal.map((each, at) => [areas[at], each.map((_, frame) => frame + 1), each]), { x: "frame", y: "share" }),
    ];
    curves.replaceChildren(element("p", {}, "Made by ", element("code", { class: "command" }, tile.command || "a call from Python")), element("div", { class: "plots" }, ...found));
  }

  view.replaceChildren(
    element("p", {}, element("a", { href: "#/gallery" }, "All clips"), " · ", element("a", { href: `#/gallery/${encodeURIComponent(clip.clip)}` }, "Play this clip")),
    element("h1", {}, clip.name), element("p", { class: "quiet" }, clip.label === null ? "no label" : `label ${clip.label}`),
    table({ caption: `${rows.length} explanations`, columns, rows }),
    element("h2", {}, "Curves"),
    element("div", { class: "controls" }, videxplain.choice("Explanation", titles, "0", (value) => show(tiles[Number(value)]))), curves);
  await show(tiles[0]);
};
