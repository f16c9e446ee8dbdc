// The page: asks the place that is chosen, shows what it answers, the relays' counters and the connection.
import { openPlaces } from './places.mjs';
import { showConnection } from './connection.mjs';

const POLL_MS = 1000;
const ANSWERS_MAX = 50;
const NAMES = { page: 'in this page', worker: 'in a worker', server: 'on the server' };

const form = document.querySelector('#form');
const answers = document.querySelector('#answers');
const card = (key) => document.querySelector(`.place[data-place="${key}"]`);

function element(name, className, ...children) {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

function showState(key, state, text = state) {
  const shown = card(key).querySelector('.state');
  shown.dataset.state = state;
  shown.textContent = text;
}

async function ask(place, text) {
  const said = element('p', 'said waiting', text);
  const from = element('p', 'from', `asked ${NAMES[place.key]}`);
  const item = element('li', '', said, from);
  item.dataset.place = place.key;
  answers.prepend(item);
  answers.children[ANSWERS_MAX]?.remove();
  const started = performance.now();
  try {
    const answer = await place.echo(text);
    said.textContent = answer.text;
    from.replaceChildren('from worker ', element('code', '', answer.worker));
  } catch (error) {
    said.classList.add('failed');
    from.replaceChildren(`no answer: ${error.message}`);
  }
  said.classList.remove('waiting');
  from.append(`, ${NAMES[place.key]}, ${Math.round(performance.now() - started)} ms`);
}

async function count(place) {
  const stats = await place.stats().catch(() => null); // the state says already why there are none
  for (const shown of card(place.key).querySelectorAll('[data-count]')) {
    shown.textContent = stats ? stats[shown.dataset.count] : '–';
  }
}

// A page that nobody sees asks nobody.
async function poll(places) {
  if (document.visibilityState === 'visible') {
    await Promise.all(places.map(count));
  }
  setTimeout(poll, POLL_MS, places);
}

function listen(places) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { text, place: { value } } = form.elements;
    const place = places.find(({ key }) => key === value);
    document.querySelector('#empty').hidden = true;
    const asked = ask(place, text.value);
    text.select();
    await asked;
    count(place);
  });
  form.querySelector('button').disabled = false;
}

function showSize() {
  const files = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter(({ encodedBodySize }) => encodedBodySize > 0);
  const bytes = files.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0);
  document.querySelector('#size').textContent =
    `Loaded so far: ${Math.ceil(bytes / 1024)} KB in ${files.length} files, with the actor runtime and the actors.`;
}

async function main() {
  try {
    const { worker, server, places } = await openPlaces();
    showState('page', 'up', 'running');
    showState('worker', 'up', 'running');
    worker.subscribe(({ state }) => showState('worker', 'down', state));
    showConnection(server, (state) => showState('server', state));
    listen(places);
    showSize();
    await poll(places);
  } catch (error) {
    showState('page', 'down', 'failed');
    document.querySelector('#status').textContent = `The page could not start: ${error.message}`;
    throw error;
  }
}

main();
