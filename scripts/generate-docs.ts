/** Writes what is made from the code: parts of docs/ and of the client, and what the shells complete. test/docs fails where they are not up to date. */
import { readFileSync, writeFileSync } from 'node:fs';
import { cliPage } from './docs/cli.ts';
import { clientSource } from './docs/client-source.ts';
import { completionTree } from './docs/completion.ts';
import { eventsPage } from './docs/events.ts';
import { withSettings } from './docs/settings.ts';
import { withVerdicts } from './docs/verdicts.ts';

const docs = new URL('../docs/', import.meta.url);
const operating = new URL('operating.md', docs);
const failures = new URL('failures.md', docs);

writeFileSync(new URL('events.md', docs), eventsPage());
writeFileSync(new URL('cli.md', docs), cliPage());
writeFileSync(operating, withSettings(readFileSync(operating, 'utf8')));
writeFileSync(failures, withVerdicts(readFileSync(failures, 'utf8')));
writeFileSync(new URL('../client/generated.ts', import.meta.url), await clientSource());
writeFileSync(new URL('../cli/completion/tree.ndjson', import.meta.url), completionTree());
