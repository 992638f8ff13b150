import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import { createRoom } from '../../../coordinator/items/room.ts';
import { createManualRuntime } from '../../support/manual-runtime.ts';

it('names what is wrong with the pool where it is not the room', () => {
  const said: string[] = [];
  const logger = pino({}, { write: (line: string) => void said.push(JSON.parse(line).msg) });
  using room = createRoom({ runtime: createManualRuntime(), logger });
  room.refused('agent-a one', 'one', 1000, 10);
  assert.equal(room.warning, 'the pool has no room: an upload waits (one), 1000 bytes are needed, 10 are free');
  room.refused('agent-a one', 'one', 0, undefined, 'the pool cannot be written to: EROFS');
  assert.equal(room.warning, 'the pool cannot be written to: EROFS: an upload waits (one)');
  room.refused('agent-a one', 'one', 0, undefined, 'the pool cannot be written to: EROFS');
  assert.equal(room.refusals, 3);
  room.taken('agent-a one');
  assert.equal(room.warning, undefined);
  assert.deepEqual(said, [
    'the pool has no room: an upload waits (one), 1000 bytes are needed, 10 are free',
    'the pool cannot be written to: EROFS: an upload waits (one)',
    'no upload waits for the pool any more',
  ]);
});
