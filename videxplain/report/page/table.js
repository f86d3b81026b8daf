// A table that is sorted by a click on a column, and shows long lists in parts.
"use strict";

videxplain.collator = new Intl.Collator("en", { numeric: true });

// columns: [{title, value(row) to sort by, cell(row) -> node or text, align}]
// order: {title, descending}, kept by the caller, so that a table made anew is sorted as the last one was
videxplain.table = ({ caption, columns, rows, part = 100, rowClass = () => "", order = {} }) => {
  const { element, collator } = videxplain;
  const body = element("tbody");
  const more = element("button", { type: "button", onclick: () => show(shown + part) });
  let sorted = rows, shown = 0;

  function show(count) {
    shown = Math.min(count, sorted.length);
    body.replaceChildren(...sorted.slice(0, shown).map((row) =>
      element("tr", { class: rowClass(row) }, ...columns.map((column) =>
        element("td", { class: column.align ?? "" }, column.cell(row))))));
    more.hidden = shown === sorted.length;
    more.textContent = `Show more (${sorted.length - shown} left)`;
  }

  function compare(one, other) {
    const missing = (value) => value === null || value === undefined || value === "";
    if (missing(one) || missing(other)) return missing(one) - missing(other);
    const sign = typeof one === "number" && typeof other === "number"
      ? one - other : collator.compare(String(one), String(other));
    return order.descending ? -sign : sign;
  }

  function sortBy(column) {
    order.descending = order.title === column.title ? !order.descending : false;
    order.title = column.title;
    sort();
  }

  function sort() {
    const by = columns.find((column) => column.title === order.title);
    if (by) sorted = [...rows].sort((one, other) => compare(by.value(one), by.value(other)));
    heads.forEach((head, index) => {
      const way = columns[index] === by ? (order.descending ? "descending" : "ascending") : "none";
      head.setAttribute("aria-sort", way);
    });
    show(Math.max(shown, part));
  }

  const heads = columns.map((column) => element("th", { scope: "col", class: column.align ?? "", "aria-sort": "none" },
    element("button", { type: "button", onclick: () => sortBy(column) }, column.title)));
  sort();
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    element("table", {}, element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads)), body), more);
};
