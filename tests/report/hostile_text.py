"""What a model, a judge or a stranger might write to break the page."""

from __future__ import annotations

SCRIPT = "<script>document.title='owned'</script>"
HANDLER = "\"'><img src=x onerror=\"document.title='owned'\">"
CLOSING = "</p></li></ul></table></section></main></svg></style></title>-->]]>"
BIDI = "\u202e\u2066\u2069\u2069reversed\u202d"
CONTROLS = "nul \x00 bell \x07 escape \x1b line\u2028paragraph\u2029 lone \ud800 surrogate"
TEMPLATE = "{{ 7 * 7 }}{% raw %}${7*7}"

ALL = [SCRIPT, HANDLER, CLOSING, BIDI, CONTROLS, TEMPLATE]

# A run's name is the name of a folder, so it can contain neither a slash nor a NUL.
RUN_NAME = "$x^2$\"'><img src=x onerror=alert(1)>&amp;\u202ex"

# Formulas that a spreadsheet would run.
FORMULA = "=HYPERLINK(A1)"
