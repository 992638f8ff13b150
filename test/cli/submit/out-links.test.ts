import assert from 'node:assert/strict';
import { it } from 'node:test';
import { netrcFor } from '../../../cli/submit/nix-out-links.ts';

it('names the host of a cache as curl looks for it', () => {
  assert.equal(
    netrcFor('https://builds.example.org:8745/x', 'abc'),
    'machine builds.example.org login drover password abc\n',
  );
  assert.equal(netrcFor('http://[::1]:8745', 'abc'), 'machine ::1 login drover password abc\n');
});
