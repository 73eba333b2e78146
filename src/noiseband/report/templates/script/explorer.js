// The explorer: every question, the answers of chosen models, and a link to each view of them.

async function explorer(place) {
  const data = await unpack("explorer-data");
  const protocols = data.protocols.map(searchable);
  const controls = explorerControls(protocols, data.twins, (change, fleeting) => {
    const address = addressOf({ ...state, ...change });
    // Each choice is a step for the back button, each letter of a search is not.
    if (fleeting) history.replaceState(null, "", address);
    else if (address !== location.hash) history.pushState(null, "", address);
    show(stateOf(address));
  });
  const view = make("div", {});
  let state;

  const show = (next) => {
    state = next;
    const protocol = protocols.find((each) => each.name === state.protocol) ?? protocols[0];
    const questions = listed(protocol, data.twins, state);
    const wanted = Number(state.question) - 1;
    const question = questions.includes(wanted) ? wanted : questions[0];
    controls.show({ state, protocol, questions, question });
    view.replaceChildren(
      question === undefined
        ? make("p", { class: "empty" }, "No question has such an answer: widen the search.")
        : questionView(protocol, question, state),
    );
  };

  place.replaceChildren(make("h3", {}, "Explorer"), controls.element, view);
  const arrive = () => {
    const next = stateOf(location.hash);
    if (next) show(next);
  };
  addEventListener("popstate", arrive);
  show(stateOf(location.hash) ?? stateOf(""));
  document.getElementById("chosen").classList.add("folded");
}
