// The state of the connection in words, with the reason when it is down and a countdown to the next attempt.
const section = document.querySelector('#connection');
const status = document.querySelector('#status');
const countdown = document.querySelector('#countdown');

const TEXTS = {
  connecting: ({ attempt }) => (attempt > 1 ? `connecting, attempt ${attempt}` : 'connecting'),
  up: ({ node }) => `up: connected to ${node}`,
  suspect: ({ node }) => `suspect: ${node} is silent, asking whether it is still there`,
  down: ({ reason }) => `down: ${reason?.message ?? 'the connection has ended'}`,
  closed: ({ reason }) => `closed: ${reason?.message ?? 'no further attempts'}`,
};

let timer = 0;

function countDown(until) {
  const left = Math.max(0, until - performance.now());
  countdown.textContent = `(next attempt in ${Math.ceil(left / 1000)} s)`;
  timer = setTimeout(countDown, left % 1000 + 20, until);
}

function show(now, onState) {
  clearTimeout(timer);
  countdown.textContent = '';
  section.dataset.state = now.state === 'closed' ? 'down' : now.state;
  status.textContent = TEXTS[now.state](now);
  if (now.retryMs !== undefined) {
    countDown(performance.now() + now.retryMs);
  }
  onState(section.dataset.state);
}

/** Shows the status of `link`, and tells `onState` each new one. */
export function showConnection(link, onState) {
  show(link.status, onState);
  link.subscribe((now) => show(now, onState));
}
