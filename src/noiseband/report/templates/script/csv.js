// A table as CSV (RFC 4180), with the full values that its cells stand for.

// What a cell may hold: a value, the ends of an interval, or both. Each becomes a column.
const PARTS = ["value", "low", "high"];

function csv(table) {
  const [heads, ...rows] = grid(table);
  const columns = heads.flatMap((head, place) => {
    const parts = PARTS.filter((part) => rows.some((row) => part in row[place].dataset));
    if (parts.length === 0) return [[cellText(head), (row) => safe(cellText(row[place]))]];
    return parts.map((part, k) => [
      part === "value" ? cellText(head) : `${cellText(head)}, ${part}`,
      (row) => safe(row[place].dataset[part] ?? (k === 0 ? cellText(row[place]) : "")),
    ]);
  });
  const lines = rows.map((row) => columns.map(([, cell]) => cell(row)));
  lines.unshift(columns.map(([head]) => safe(head)));
  return lines.map((line) => line.map(quoted).join(",") + "\r\n").join("");
}

// The cells of all rows, one that spans several in each of them.
function grid(table) {
  const rows = [];
  [...table.rows].forEach((row, number) => {
    rows[number] ??= [];
    let place = 0;
    for (const cell of row.cells) {
      while (rows[number][place]) place += 1;
      for (let down = 0; down < cell.rowSpan; down += 1) {
        (rows[number + down] ??= [])[place] = cell;
      }
    }
  });
  return rows;
}

// What a cell says; its smaller print in brackets, a dash as nothing.
function cellText(cell) {
  const parts = [...cell.childNodes].map((node) =>
    node.nodeName === "SMALL" ? ` (${node.textContent.trim()})` : node.textContent,
  );
  const text = parts.join("").replace(/\s+/g, " ").trim();
  return text === "–" ? "" : text;
}

// A spreadsheet takes text that begins so for a formula and runs it, unless it is a plain number.
function safe(text) {
  return /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
}

function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
