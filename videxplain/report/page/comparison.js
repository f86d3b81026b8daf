// Methods against areas: tables that can be sorted, and plots.
"use strict";

videxplain.comparison = async (view) => {
  const { element, table, number, unique, network, areaName, plots, isFloor, MOST } = videxplain;
  const told = await videxplain.load("comparison");
  const networks = unique([...told.rows, ...told.curves].map(network));
  if (!networks.length) {
    view.replaceChildren(element("h1", {}, "Comparison"), element("p", {}, "Nothing was measured; the gallery shows the pictures."));
    return;
  }
  const chosen = { network: networks[0], metric: null, area: null, curve: null, methods: new Set(), areas: new Set() };
  const order = {};
  let turn = 0;
  const controls = element("div", { class: "controls" }), place = element("div");
  const own = (rows) => rows.filter((row) => network(row) === chosen.network);
  const metrics = () => unique(own(told.rows).map((row) => row.metric));
  const methods = () => unique(own([...told.rows, ...told.curves]).map((row) => row.method));
  const percent = (share) => Math.round(100 * share);
  const shown = (method) => chosen.methods.has(method);

  function cell(row) {
    if (!row) return "";
    const mean = element(row.best ? "strong" : "span", {}, number(row.mean));
    const mark = row.better_than_random === false ? "°" : "";
    const interval = row.low === null ? "" : ` [${number(row.low, 2)}, ${number(row.high, 2)}]`;
    return element("span", { title: row.visible_area === null ? "" : `keeps ${number(row.visible_area)}` }, mean, mark, element("small", {}, interval));
  }

  function metricTable(metric) {
    const rows = own(told.rows).filter((row) => row.metric === metric && shown(row.method) && chosen.areas.has(areaName(row.area)));
    const areas = unique(rows.map((row) => row.area)).sort((one, other) => (one ?? -1) - (other ?? -1));
    const lines = unique(rows.map((row) => row.method)).map((method) => ({ method, at: Object.fromEntries(
      rows.filter((row) => row.method === method).map((row) => [areaName(row.area), row])) }));
    const columns = [
      { title: "method", value: (line) => line.method, cell: (line) => isFloor(line.method) ? `${line.method} (floor)` : line.method },
      ...areas.map((area) => ({
        title: areaName(area), align: "number",
        value: (line) => line.at[areaName(area)]?.mean, cell: (line) => cell(line.at[areaName(area)]),
      })),
    ];
    return table({ caption: `${metric}: mean over the clips, 95 % interval`, columns, rows: lines, order, rowClass: (line) => isFloor(line.method) ? "floor" : "" });
  }

  function saidOf(metric) {
    const { higher_is_better: better, citation, says } = told.metrics[metric] ?? {};
    const direction = better === true ? "Higher is better." : better === false ? "Lower is better." : "Neither more nor less is better.";
    const judged = own(told.reliability).find((row) => row.metric === metric);
    const trust = !judged ? "" : ` Better than random in ${percent(judged.better_than_random)} % of ${judged.pairs} pairs of clip and method, one an area${judged.low === null ? "" : ` [${percent(judged.low)}, ${percent(judged.high)}]`}.`
      + (judged.reliable === false ? " It cannot tell these methods from noise." : judged.reliable === null ? " These are too few clips to tell whether it can be trusted." : "");
    const agreed = judged?.consistency ?? null;
    const ranked = agreed === null ? "" : ` Consistency of the clips' rankings of the methods ${number(agreed, 2)}.`;
    return `${says ? `${says} ` : ""}${direction}${trust}${ranked} Source: ${citation ?? "unknown"}.`;
  }

  function areaPlot(metric) {
    const rows = own(told.rows).filter((row) => row.metric === metric && shown(row.method));
    const traces = unique(rows.map((row) => row.method)).flatMap((method) => {
      const mine = rows.filter((row) => row.method === method);
      const masks = mine.filter((row) => row.area !== null).sort((one, other) => one.area - other.area);
      const line = plots.style(method, methods());
      if (!masks.length) {
        const ends = unique(rows.filter((row) => row.area !== null).map((row) => row.visible_area ?? row.area));
        const x = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
        return [{ name: method, x, y: [mine[0].mean, mine[0].mean], mode: "lines", line }];
      }
      const x = masks.map((row) => row.visible_area ?? row.area);
      const trace = { name: method, x, y: masks.map((row) => row.mean), mode: "lines+markers", line };
      const known = masks.every((row) => row.low !== null);
      return known ? [plots.band(line.color, x, masks.map((row) => row.low), masks.map((row) => row.high)), trace] : [trace];
    });
    return plots.figure(`${metric} against the visible area`, "Bands are 95 % intervals; a level line is a method's one map.", traces, { x: "visible area", y: metric });
  }

  async function curvePlots() {
    const jobs = own(told.curves).filter((job) => shown(job.method));
    const found = await Promise.all(jobs.map(async (job) => ({ ...job, ...await videxplain.load(`jobs/${job.job}`) })));
    const nearest = (areas) => areas.reduce((best, area, at) => Math.abs((area ?? 0) - (chosen.area ?? 0)) < Math.abs((areas[best] ?? 0) - (chosen.area ?? 0)) ? at : best, 0);
    const names = unique(found.flatMap((job) => Object.keys(job.iterations)));
    const curve = names.includes(chosen.curve) ? chosen.curve : names[0];
    const figures = [];
    const draw = (title, said, lines, axes) => lines.length && figures.push(plots.figure(title, said,
      lines.map(([method, name, x, y]) => ({ ...plots.line(method, methods(), x, y), name })), axes));
    const searched = found.filter((job) => job.iterations[curve]);
    const at = (values, job) => values[nearest(job.areas)];
    const named = (method, area) => area === null || area === chosen.area ? method : `${method} (area ${area})`;
    const where = chosen.area === null ? "" : ` at area ${chosen.area}`;
    draw(`${curve} against the iteration${where}`, "Means over the clips; a search that has stopped stays where it was.",
      searched.map((job) => [job.method, named(job.method, at(job.areas, job)), at(job.iterations[curve], job).map((_, i) => i), at(job.iterations[curve], job)]), { x: "iteration", y: curve });
    for (const metric of unique(found.flatMap((job) => Object.keys(job.shares)))) {
      draw(`${metric.replace(/_auc$/, "")} curve${where}`, "Probability of the class as the clip is filled in.",
        found.filter((job) => job.shares[metric]).map((job) => {
          const each = job.shares[metric][nearest(job.shares[metric].map((one) => one.area))];
          return [job.method, named(job.method, each.area), each.shares, each.values];
        }), { x: "share of the clip", y: "probability" });
    }
    draw(`Importance of each frame${where}`, "Share of the saliency that lies in it.",
      found.map((job) => [job.method, named(job.method, at(job.areas, job)), at(job.temporal, job).map((_, frame) => frame + 1), at(job.temporal, job)]), { x: "frame", y: "share" });
    const select = names.length ? videxplain.choice("Curve", names, curve, (value) => { chosen.curve = value; show(); }) : null;
    return [select && element("div", { class: "controls" }, select), element("div", { class: "plots" }, ...figures)];
  }

  // Lines of many methods cannot be told apart, so that few are shown until more are asked for.
  function saidOfMethods() {
    const all = methods().length, now = methods().filter(shown).length;
    return now === all ? null : element("p", { class: "quiet", role: "status" }, `${now} of ${all} methods are shown; choose others under Methods.`);
  }

  async function show() {
    const mine = (turn += 1);   // a later choice overtakes this one
    const parts = [saidOfMethods()].filter(Boolean);
    if (chosen.metric) parts.push(element("p", {}, saidOf(chosen.metric)), metricTable(chosen.metric), areaPlot(chosen.metric));
    const curves = element("div");
    const last = place.lastElementChild;   // stays until the next curves are there
    videxplain.refill(place, ...parts, last ?? curves);
    const drawn = await curvePlots().catch((error) => { (last ?? curves).replaceChildren(); throw error; });
    if (mine === turn) videxplain.refill(last ?? curves, ...drawn.filter(Boolean));
  }

  function choose() {
    const judged = metrics().filter((metric) => own(told.reliability).some((row) => row.metric === metric));
    const causal = metrics().filter((metric) => told.metrics[metric]?.category === "causal");
    chosen.metric = metrics().includes(chosen.metric) ? chosen.metric : judged[0] ?? causal[0] ?? metrics()[0] ?? null;   // one that methods differ by
    chosen.methods = new Set([...methods().filter((each) => !isFloor(each)).slice(0, MOST - 2), ...methods().filter(isFloor).slice(0, 2)]);
    const areas = unique(own(told.rows).map((row) => row.area)).sort((one, other) => (one ?? -1) - (other ?? -1));
    const masks = areas.filter((area) => area !== null);
    chosen.area = masks.includes(chosen.area) ? chosen.area : masks[Math.floor(masks.length / 2)] ?? null;
    chosen.areas = new Set(areas.map(areaName));
    const fields = [
      videxplain.choice("Network", networks, chosen.network, (value) => { chosen.network = value; choose(); }),
      metrics().length ? videxplain.choice("Metric", metrics(), chosen.metric, (value) => { chosen.metric = value; show(); }) : null,
      masks.length ? videxplain.choice("Area of the curves", masks.map(String), String(chosen.area), (value) => { chosen.area = Number(value); show(); }) : null,
      videxplain.checkboxes("Methods", methods(), chosen.methods, show),
      areas.length ? videxplain.checkboxes("Areas", areas.map(areaName), chosen.areas, show) : null,
    ];
    videxplain.refill(controls, ...fields.filter(Boolean));
    return show();
  }

  view.replaceChildren(
    element("h1", {}, "Comparison"),
    element("p", { class: "quiet" }, "Bold is the best of a column, where its masks are as large as each other; ° marks what is not better than masks of random that are as large. ",
      "Floors know nothing of the network. \"map\" is a method's one map, other columns are areas of masks."),
    controls, place);
  await choose();
};
