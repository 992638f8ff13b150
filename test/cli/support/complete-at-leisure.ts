import { completionFor } from '../../../cli/completion/main.ts';

/** `drover __complete` for shells of tests: nobody has a finger on the key, and a busy machine may take longer than a person would wait. */
const text = await completionFor(process.argv.slice(2), process.env, 600_000);
process.stdout.write(text, () => process.exit());
