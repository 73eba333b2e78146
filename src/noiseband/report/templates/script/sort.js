// Tables sort by a click on a column's head.
function sortable(table) {
  const [body] = table.tBodies;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const press = make("button", { type: "button" }, ...head.childNodes);
    head.append(press);
    press.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keyed = [...body.rows].map((row) => [sortKey(row.cells[column]), row]);
      keyed.sort(([a], [b]) => compare(a, b, down ? -1 : 1));
      body.append(...keyed.map(([, row]) => row));
    });
  });
}

// A cell's number, or its text; null where nothing is known.
function sortKey(cell) {
  const text = (cell.dataset.value ?? cell.dataset.low ?? cell.textContent).trim();
  if (text === "" || text === "–") return null;
  return Number.isFinite(Number(text)) ? Number(text) : text.toLowerCase();
}

// Unknown values last, whichever way; numbers before words.
function compare(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return sign * (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
}
