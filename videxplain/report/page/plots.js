// Plots, drawn by plotly, which is loaded when the first one is looked at.
"use strict";

videxplain.plots = (() => {
  // Okabe and Ito's colours, which the colour-blind can tell apart; floors are grey.
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d"];
  const DASHES = ["solid", "dash", "dashdot"];
  let library = null, last = null;

  function style(method, methods) {
    if (videxplain.isFloor(method)) return { color: "#888888", dash: videxplain.FLOORS[method.split(" ")[0]] };
    const number = methods.filter((each) => !videxplain.isFloor(each)).indexOf(method);
    return { color: COLOURS[number % COLOURS.length], dash: DASHES[Math.floor(number / COLOURS.length) % DASHES.length] };
  }

  function band(color, x, low, high) {
    const rgb = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
    return {
      x: [...x, ...[...x].reverse()], y: [...high, ...[...low].reverse()], fill: "toself", mode: "lines",
      line: { width: 0 }, fillcolor: `rgba(${rgb},0.15)`, hoverinfo: "skip", showlegend: false,
    };
  }

  function layout(x, y) {
    const ink = getComputedStyle(document.body).color;
    const axis = (title) => ({ title: { text: plain(title) }, gridcolor: "rgba(128,128,128,0.25)", zeroline: false });
    return {
      height: 340, margin: { l: 60, r: 10, t: 10, b: 45 }, font: { color: ink, family: "inherit" },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      xaxis: axis(x), yaxis: axis(y), legend: { orientation: "h", y: -0.25 }, hovermode: "closest",
    };
  }

  // Plotly takes a few tags in names and titles for markup; names are text.
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

  // Drawing takes long: one plot at a time, so that the page shows each and hears its reader between.
  function inTurn(draw) {
    library ??= videxplain.script("plotly.min.js");
    const turn = Promise.all([library, last]).then(() => new Promise((resolve) => setTimeout(resolve))).then(draw);
    last = turn.catch(() => null);
    return turn;
  }

  // A figure with its title; what it shows is said in words, too.
  function figure(title, said, traces, { x, y }) {
    const { element } = videxplain;
    const place = element("div", { class: "plot", role: "img", "aria-label": `${title}. ${said}` });
    const whole = element("figure", {}, element("figcaption", {}, element("strong", {}, title), ` ${said}`), place);
    inTurn(() => Plotly.newPlot(place, traces.map((each) => each.name === undefined ? each : { ...each, name: plain(each.name) }), layout(x, y), { responsive: true, displaylogo: false }))
      .catch((error) => place.replaceChildren(error.message));
    return whole;
  }

  const line = (name, methods, x, y) => ({ name, x, y, mode: "lines", line: style(name, methods) });

  return { figure, line, style, band };
})();
