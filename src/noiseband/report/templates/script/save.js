// Files made of the page: each table as CSV, each chart as SVG.

function save(name, kind, text) {
  const address = URL.createObjectURL(new Blob([text], { type: `${kind};charset=utf-8` }));
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

function savesTable(table) {
  const name = table.caption.id.replace(/-caption$/, "");
  const press = () => save(`${name}.csv`, "text/csv", csv(table));
  const label = { class: "tool", "aria-label": "Download this table as CSV" };
  table.caption.append(" ", button("CSV", label, press));
}

function savesChart(figure) {
  const chart = figure.querySelector("svg.chart");
  const name = figure.querySelector(".source code").textContent.split("/").at(-1);
  const press = () => save(name, "image/svg+xml", new XMLSerializer().serializeToString(chart));
  const label = { class: "tool", "aria-label": "Download this chart as SVG" };
  figure.querySelector("figcaption").append(" ", button("SVG", label, press));
}
