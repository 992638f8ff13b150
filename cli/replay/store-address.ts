import { parseStoreAddress, type StoreAddress } from '../../adapters/event-store/store-url.ts';
import { CliError } from '../output/cli-error.ts';

/** The event store that a flag names, where no data folder says where `sqlite` is. */
export function storeAddress(flag: string, text: string): StoreAddress {
  const address = parsed(flag, text);
  if (address.kind === 'sqlite' && address.dir === undefined)
    throw new CliError('invalid-request', `${flag}: Expected sqlite:DIR, got sqlite`, { exitCode: 2 });
  return address;
}

/** Where the log of a data folder is: in there, unless `--store` names another place. */
export function logAddress(store = 'sqlite'): StoreAddress {
  return parsed('--store', store);
}

function parsed(flag: string, text: string): StoreAddress {
  try {
    return parseStoreAddress(text);
  } catch (error) {
    throw new CliError('invalid-request', `${flag}: ${error instanceof Error ? error.message : error}`, {
      exitCode: 2,
    });
  }
}
