// Elements and text. What models wrote only ever becomes text nodes; nothing here reads HTML.

// The characters of hostile.py that draw nothing and act all the same.
const ACTING =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]/gu;

// An element with attributes and children; a string among the children is text.
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

function codePoint(character) {
  return `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
}

// Text for the page: each acting character as a marked number.
function shown(text) {
  const whole = document.createDocumentFragment();
  let last = 0;
  for (const found of text.matchAll(ACTING)) {
    whole.append(text.slice(last, found.index));
    whole.append(make("span", { class: "control" }, codePoint(found[0])));
    last = found.index + found[0].length;
  }
  whole.append(text.slice(last));
  return whole;
}

// One line of text where no element can be: in an option or an attribute.
function plain(text) {
  return text.replaceAll("\n", " ").replace(ACTING, (found) => `[${codePoint(found)}]`);
}

// A name that someone chose, apart from the direction of the text around it.
function named(text) {
  return make("bdi", {}, shown(text));
}

// A paragraph that a model wrote.
function written(...children) {
  return make("p", { class: "written", dir: "auto" }, ...children);
}

function button(text, attributes, act) {
  const made = make("button", { type: "button", ...attributes }, text);
  made.addEventListener("click", act);
  return made;
}
