import assert from 'node:assert/strict';
import type { Answer, Farm } from './farm.ts';

/** Expects a problem with this code and words, and that it changed nothing: the log is where it was, and the coordinator serves. */
export async function expectRefused(
  farm: Farm,
  what: string,
  code: string,
  words: RegExp,
  ask: () => Promise<Answer>,
): Promise<void> {
  const before = await farm.position();
  const { status, body } = await ask();
  assert.equal(body.code, code, `${what}: ${JSON.stringify(body)}`);
  assert.match(body.detail, words, what);
  assert.ok(status >= 400 && status < 500, `${what}: ${status}`);
  assert.equal(body.requestId.length > 0, true);
  await expectUnchanged(farm, what, before);
}

export async function expectUnchanged(farm: Farm, what: string, before: string | undefined): Promise<void> {
  assert.equal(await farm.position(), before, `${what}: no event`);
  assert.ok(farm.coordinator.running, what);
  assert.equal((await farm.request('GET', '/readyz', { token: null })).status, 200, what);
}
