// The numbers that C and JavaScript share are the same in both.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { EVENT, OP } from '../../platform-web/js/record.mjs';
import { errorOf } from '../../platform-web/js/errors.mjs';

const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

function listOf(text, name) {
  const start = text.indexOf(`#define ${name}(X)`);
  assert.notEqual(start, -1, `${name} is there`);
  const body = text.slice(start).split(/[^\\]\n/)[0];
  return Object.fromEntries([...body.matchAll(/X\((\w+), (-?\d+)/g)].map(([, key, value]) => [key, Number(value)]));
}

test('operations have the same numbers', () => {
  const header = listOf(read('platform-web/src/record.h'), 'TRPI_WEB_OP_LIST');
  assert.ok(Object.keys(header).length > 20);
  assert.deepEqual(OP, header);
});

test('events have the same numbers', () => {
  const header = listOf(read('platform-web/src/record.h'), 'TRPI_WEB_EVENT_LIST');
  assert.ok(Object.keys(header).length > 10);
  assert.deepEqual(EVENT, header);
});

test('every error of the core has a code', () => {
  const errors = listOf(read('core/include/troupe/error.h'), 'TRP_ERROR_LIST');
  const numbers = Object.values(errors);
  assert.ok(numbers.length > 20);
  const codes = new Set(numbers.map((number) => errorOf(number, 'text').code));
  assert.equal(codes.size, numbers.length, 'codes are different');
  assert.ok(!codes.has('error'), 'no error of the core is without a code');
});
