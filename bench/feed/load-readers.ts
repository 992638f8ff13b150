/**
 * Readers of the feed in a process of their own. They say when all of their answers have begun; told anything, what has come since the last
 * time.
 */
import { get } from 'node:http';
import { secretOfScope } from '../../test/support/fake-application.ts';

/** `export`: the whole log as lines of JSON, again and again. `start`: server-sent events from the first on. `live`: new ones only. */
export type Readers = 'export' | 'start' | 'live';

const [url = '', readers = 'live', count = '1'] = process.argv.slice(2);
const headers = {
  authorization: `Bearer ${secretOfScope('read')}`,
  accept: readers === 'export' ? 'application/x-ndjson' : 'text/event-stream',
};
const query = readers === 'live' ? '?from=end' : '';
/** What ends an event, and what it looks like otherwise. */
const mark = Buffer.from(readers === 'export' ? '\n' : '\ndata: ');
let begun = 0;
let events = 0;
let whole = 0;

function open(): void {
  get(`${url}/v1/events${query}`, { headers, agent: false }, (response) => {
    if (++begun === Number(count)) process.send?.({ begun: true });
    response.on('data', (bytes: Buffer) => {
      for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) events++;
    });
    response.on('end', () => {
      whole++;
      if (readers === 'export') open();
    });
  }).on('error', () => undefined);
}

for (let n = 0; n < Number(count); n++) open();
process.on('message', () => {
  process.send?.({ events, whole });
  events = 0;
});
process.once('disconnect', () => process.exit());
