// One method's explanation of a clip: its pictures at the frame that is shown, and what it came to.
"use strict";

videxplain.KINDS = ["original", "heat map", "kept", "deleted"];

// picturesOf(frames) gives the clip's own pictures, which many tiles share.
videxplain.tile = async (told, clip, picturesOf) => {
  const { element, number, frames, network } = videxplain;
  const [pictures, media] = await Promise.all([
    told.frames ? picturesOf(told.frames) : null, videxplain.load(`media/${told.job}/${clip}`)]);
  videxplain.forget(`media/${told.job}/${clip}`);   // the tile holds it now, for as long as it is looked at
  const levels = new Map();   // map -> levels, read when first shown
  const panels = element("div", { class: "panels" }), said = element("p", { class: "said" }), mark = element("p", { class: "mark", role: "status" });
  const box = element("article", { class: "tile", "aria-label": `${told.method}, ${network(told)}` },
    element("h3", {}, told.method), element("p", { class: "quiet" }, network(told)), mark, panels, said);
  let heat = null, looks = null, canvases = [];

  const nearest = (areas, area) => areas.reduce((best, each, at) =>
    Math.abs((each ?? area) - area) < Math.abs((areas[best] ?? area) - area) ? at : best, 0);

  const mapAt = (area) => nearest(told.maps.map((each) => each.area), area);

  async function read(area) {
    const map = mapAt(area);
    if (!levels.has(map)) levels.set(map, await frames.read(media.sheets[map], media, 1));
    return levels.get(map);
  }

  function choose(area, found) {
    const map = mapAt(area), own = told.maps[map].area;
    heat = { levels: found, cut: own === null ? frames.levelOf(found, area) : null };
    say(own, area, media.scales[map]);
  }

  // How the pictures look; the canvases stay where the same ones are asked for.
  function look(wanted) {
    looks = { ...wanted, faded: told.faded };
    if (canvases.map((each) => each.kind).join() === looks.kinds.join() && panels.hasChildNodes()) return;
    canvases = !pictures ? [] : looks.kinds.map((kind) => ({
      kind, canvas: element("canvas", { width: media.width, height: media.height, role: "img", "aria-label": `${kind} by ${told.method}` }),
    }));
    panels.replaceChildren(...canvases.map(({ kind, canvas }) => element("figure", {}, canvas, element("figcaption", {}, kind))),
      ...(pictures ? [] : ["No pictures of this clip were kept."]));
  }

  const percent = (share) => Math.round(1000 * share) / 10;

  // Voxels of equal saliency cannot be told apart: all of them are shown, or, where they have none, none.
  function tied(area) {
    const cut = heat.levels.reduce((sum, level) => sum + Number(level >= heat.cut), 0) / heat.levels.length;
    return Math.abs(cut - area) < 0.01 ? "" : ` (${percent(cut)} % are drawn, as saliency is tied)`;
  }

  function say(own, area, scale) {
    const record = told.records.find((each) => each.area === (own ?? area)) ?? null;
    const numbers = record?.metrics ?? {};
    const parts = [
      own === null ? `its ${percent(area)} % most salient voxels${tied(area)}` : `mask of area ${own}`,
      numbers.probability_kept === undefined ? "" : `probability kept ${number(numbers.probability_kept)} (whole clip ${number(told.probability)})`,
      numbers.visible_area === undefined || numbers.visible_area === null ? "" : `keeps ${number(numbers.visible_area)} of the clip`,
      numbers.converged_at === undefined || numbers.converged_at === null ? "" : `converged at ${numbers.converged_at}`,
      `scale: ${scale}`, `polarity ${told.polarity}`, `class ${told.target}${told.prediction === told.target ? "" : `, predicted ${told.prediction}`}`,
    ];
    said.textContent = `${parts.filter(Boolean).join("; ")}.`;
    const failed = numbers.preserved === 0;
    mark.textContent = failed ? "✗ class not preserved" : "";
    box.classList.toggle("failed", failed);
  }

  // Show what stands at a share of the clip, from 0 to 1.
  function draw(share) {
    const frame = Math.min(media.count - 1, Math.floor(share * media.count));
    box.dataset.frame = frame;
    for (const { kind, canvas } of canvases) {
      canvas.getContext("2d", { willReadFrequently: true }).putImageData(frames.draw(kind, frame, pictures, heat, looks), 0, 0);
    }
  }

  return { box, read, choose, look, draw, count: media.count };
};
