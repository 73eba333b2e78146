// Which questions the explorer lists, and in which order.

const SIDE_BY_SIDE = 6;

// A protocol of the page's data with what searching needs: the mean over the rounds of each
// model's score for each question, null where no round has one.
function searchable(protocol) {
  const means = protocol.models.map((_, model) =>
    protocol.questions.map((_, question) =>
      mean(protocol.scores.map((round) => round[model][question])),
    ),
  );
  return { ...protocol, means, keys: protocol.models.map(([run, seed]) => `${run}/${seed}`) };
}

function mean(values) {
  const known = values.filter((value) => value !== null);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

// Numbers of the models side by side: the chosen ones, or a few from the best to the worst.
function chosen(protocol, state) {
  const found = protocol.keys.flatMap((key, model) => (state.models.includes(key) ? [model] : []));
  if (found.length) return found;
  const average = protocol.means.map((scores) => mean(scores) ?? -1);
  const ranked = [...average.keys()].sort((a, b) => average[b] - average[a]);
  const last = Math.min(SIDE_BY_SIDE, ranked.length) - 1;
  const paces = Array.from({ length: last + 1 }, (_, k) => Math.round((k * (ranked.length - 1)) / (last || 1)));
  return paces.map((pace) => ranked[pace]);
}

// Pairs of models whose runs are twins, fine-tuned with one seed.
function twinPairs(protocol, twins) {
  const pairs = [];
  for (const runs of twins) {
    protocol.models.forEach(([run, seed], model) => {
      protocol.models.slice(model + 1).forEach(([other, same], k) => {
        if (seed === same && runs.includes(run) && runs.includes(other)) pairs.push([model, model + 1 + k]);
      });
    });
  }
  return pairs;
}

// A model's answer is in the state's range of scores; without a range, so is one without a score.
function inRange(score, state) {
  if (state.low === PLAIN_STATE.low && state.high === PLAIN_STATE.high) return true;
  return score !== null && score >= Number(state.low) && score <= Number(state.high);
}

// Numbers of the questions that a state lists, with how far apart their scores are.
function listed(protocol, twins, state) {
  const models = chosen(protocol, state);
  const pairs = twinPairs(protocol, twins);
  const wanted = state.search.trim().toLowerCase();
  const rank = {
    number: (question) => question,
    models: (question) => -spread(models.map((model) => protocol.means[model][question])),
    twins: (question) =>
      -Math.max(...pairs.map((pair) => spread(pair.map((model) => protocol.means[model][question])))),
    best: (question) => -(mean(models.map((model) => protocol.means[model][question])) ?? -1),
    worst: (question) => mean(models.map((model) => protocol.means[model][question])) ?? 101,
  }[state.order];
  const found = [...protocol.questions.keys()].filter((question) => {
    if (!models.some((model) => inRange(protocol.means[model][question], state))) return false;
    const texts = [protocol.questions[question], models.map((model) => protocol.answers[model][question])];
    return texts.flat().some((text) => text?.toLowerCase().includes(wanted));
  });
  return found.sort((a, b) => rank(a) - rank(b) || a - b);
}

function spread(scores) {
  const known = scores.filter((score) => score !== null);
  return known.length ? Math.max(...known) - Math.min(...known) : -1;
}
