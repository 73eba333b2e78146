// What the explorer shows, as the part of the address after `#explorer?`: each state is a link.

const PLACE = "#explorer";
const ORDERS = {
  number: "in order",
  models: "where the models disagree most",
  twins: "where the twins disagree most",
  best: "answered best",
  worst: "answered worst",
};
const PLAIN_STATE = {
  protocol: "",
  order: "number",
  question: "",
  search: "",
  low: "0",
  high: "100",
};

// The state of an address; null for one that is not the explorer's.
function stateOf(address) {
  if (address !== "" && address !== PLACE && !address.startsWith(`${PLACE}?`)) return null;
  const given = new URLSearchParams(address.slice(PLACE.length + 1));
  const state = { models: given.getAll("model") };
  for (const [name, usual] of Object.entries(PLAIN_STATE)) state[name] = given.get(name) ?? usual;
  if (!Object.hasOwn(ORDERS, state.order)) state.order = PLAIN_STATE.order;
  return state;
}

function addressOf(state) {
  const given = new URLSearchParams();
  for (const [name, usual] of Object.entries(PLAIN_STATE)) {
    if (state[name] !== usual) given.set(name, state[name]);
  }
  for (const model of state.models) given.append("model", model);
  return given.size ? `${PLACE}?${given}` : PLACE;
}
