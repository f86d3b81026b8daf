// What was run, and how each job ended.
"use strict";

videxplain.overview = async (view) => {
  const { element, table, unique } = videxplain;
  const told = await videxplain.load("overview");
  const chosen = { state: "", model: "", pretrain_dataset: "", method: "", text: "" };
  const counts = unique(told.jobs.map((job) => job.state))
    .map((state) => `${told.jobs.filter((job) => job.state === state).length} ${state}`);
  const place = element("div"), order = {};
  const columns = [
    ["state", "State"], ["model", "Model"], ["pretrain_dataset", "Trained on"], ["setting", "Setting"],
    ["method", "Method"], ["clips", "Clips"], ["seconds", "Seconds"], ["error", "Why"], ["command", "Command"], ["folder", "Folder"],
  ].map(([key, title]) => ({
    title,
    value: (job) => job[key],
    align: ["clips", "seconds"].includes(key) ? "number" : { command: "code", folder: "code", error: "why" }[key] ?? "",
    cell: (job) => key === "seconds" ? job.seconds?.toFixed(1) ?? "" : job[key] ?? "",
  })).filter((column) => told.jobs.some((job) => ![null, undefined, ""].includes(column.value(job))));

  function show() {
    const rows = told.jobs.filter((job) => ["state", "model", "pretrain_dataset", "method"].every((key) => !chosen[key] || job[key] === chosen[key])
      && Object.values(job).join(" ").toLowerCase().includes(chosen.text));
    place.replaceChildren(table({ caption: `${rows.length} of ${told.jobs.length} jobs`, columns, rows, order, rowClass: (job) => job.state }));
  }

  const filter = (key, title) => videxplain.choice(title, [{ value: "", title: "all" }, ...unique(told.jobs.map((job) => job[key])).filter(Boolean)],
    "", (value) => { chosen[key] = value; show(); });
  const search = element("input", { type: "search", oninput: () => { chosen.text = search.value.toLowerCase(); show(); } });
  view.replaceChildren(
    element("h1", {}, "Overview"),
    element("p", {}, element("code", {}, told.folder), `, made ${told.made}: ${counts.join(", ")}.`),
    element("div", { class: "controls" }, filter("state", "State"), filter("model", "Model"), filter("pretrain_dataset", "Trained on"), filter("method", "Method"),
      element("label", { class: "field" }, "Search", search)),
    place,
    element("p", { class: "quiet" }, Object.entries(told.versions).map(([name, version]) => `${name} ${version}`).join(", ")));
  show();
};
