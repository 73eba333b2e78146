// A number on demand: its full value, and the file and digest that it comes from.

// One stop of the tab key for each table; arrow keys move between its numbers, Enter opens one.
function numbersOf(table, card) {
  const first = [...table.querySelectorAll("td.number")].find(known);
  if (!first) return;
  first.tabIndex = 0;
  table.classList.add("asks");
  table.addEventListener("click", (event) => {
    const cell = event.target.closest("td.number");
    if (cell && known(cell) && document.getSelection().isCollapsed) {
      moveTo(table, cell);
      card.open(table, cell);
    }
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td.number");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") card.open(table, cell);
    else if (event.key in STEPS) moveTo(table, neighbour(table, cell, ...STEPS[event.key]) ?? cell);
    else return;
    event.preventDefault();
  });
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function known(cell) {
  return Boolean(cell.dataset.value || cell.dataset.low);
}

function neighbour(table, cell, down, right) {
  const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
  let row = rows.indexOf(cell.parentElement);
  let column = cell.cellIndex;
  do {
    row += down;
    column += right;
    const next = rows[row]?.cells[column];
    if (next?.matches("td.number") && known(next)) return next;
  } while (rows[row]?.cells[column]);
  return null;
}

function moveTo(table, cell) {
  table.querySelector("td[tabindex]").removeAttribute("tabindex");
  cell.tabIndex = 0;
  cell.focus();
}

// The card that opens: a popover, which Escape and a click elsewhere close.
function numberCard() {
  const facts = make("dl", { class: "pairs" });
  let copied = "";
  const copy = button("Copy", {}, async () => {
    await navigator.clipboard.writeText(copied);
    copy.textContent = "Copied";
  });
  const name = "A number and where it comes from";
  const card = make("div", { id: "number", popover: "auto", role: "dialog", "aria-label": name });
  // Outside a secure context a page may not write to the clipboard; the value can be selected.
  card.append(facts, ...(navigator.clipboard ? [copy] : []));
  document.body.append(card);
  const fact = (term, ...value) => make("div", {}, make("dt", {}, term), make("dd", {}, ...value));
  const whole = (text) => make("code", { class: "whole" }, text);
  return {
    open(table, cell) {
      const parts = PARTS.filter((part) => cell.dataset[part]);
      const head = table.tHead.rows[0].cells[cell.cellIndex];
      const source = table.caption.querySelector(".source");
      const [file, digest] = [source?.querySelector("code"), source?.querySelector(".sha")];
      copied = parts.map((part) => cell.dataset[part]).join("\t");
      copy.textContent = "Copy";
      facts.replaceChildren(
        fact("row", named(cellText(cell.parentElement.cells[0]))),
        fact("column", cellText(head)),
        ...parts.map((part) => fact(part, whole(cell.dataset[part]))),
        fact("file", file ? whole(file.textContent) : "none: worked out for this page"),
        fact("SHA-256", digest ? whole(digest.textContent) : "not in the manifest"),
      );
      card.showPopover();
      place(card, cell);
      copy.focus({ preventScroll: true });
    },
  };
}

// Below the cell, or above it where there is no room, and within the window.
function place(card, cell) {
  const [at, own] = [cell.getBoundingClientRect(), card.getBoundingClientRect()];
  const right = document.documentElement.clientWidth - own.width - 8;
  card.style.left = `${scrollX + Math.max(8, Math.min(at.left, right))}px`;
  const below = at.bottom + own.height + 8 < innerHeight || at.top < own.height + 8;
  card.style.top = `${scrollY + (below ? at.bottom + 6 : at.top - own.height - 6)}px`;
}
