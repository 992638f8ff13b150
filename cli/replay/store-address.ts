import { parseStoreAddress } from '../../adapters/event-store/store-url.ts';
import { CliError } from '../output/cli-error.ts';

/** The event store that a flag names. */
export function storeAddress(flag: string, text: string): ReturnType<typeof parseStoreAddress> {
  try {
    const address = parseStoreAddress(text);
    if (address.kind === 'sqlite' && address.dir === undefined) throw new Error('Expected sqlite:DIR, got sqlite');
    return address;
  } catch (error) {
    throw new CliError('invalid-request', `${flag}: ${error instanceof Error ? error.message : error}`, {
      exitCode: 2,
    });
  }
}

/** Where the log of a data folder is: in there, unless `--store` names another place. */
export function logAddress(store: string | undefined): ReturnType<typeof parseStoreAddress> {
  return store === undefined ? { kind: 'sqlite', dir: undefined } : storeAddress('--store', store);
}
