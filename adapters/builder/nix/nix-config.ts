export interface ChrootConfig {
  /** Folder that holds the store. */
  readonly root: string;
  readonly sandbox: boolean;
  /** What the sandbox shows besides the closure of the inputs: `/target` or `/target=/source`. */
  readonly sandboxPaths: readonly string[];
  /** Features that a build may require. */
  readonly features: readonly string[];
  /** Systems besides the machine's own. */
  readonly extraPlatforms: readonly string[];
  /** Further settings; they win. */
  readonly extra?: Readonly<Record<string, string>>;
}

/**
 * `NIX_CONFIG` for a daemon on a store of its own, such that what it does depends on nothing else on the machine.
 *
 * The sandbox is needed: without it a builder would look for its inputs below `/nix/store`, not below the root.
 */
export function renderNixConfig(config: ChrootConfig): string {
  const settings: Record<string, string> = {
    store: `local?root=${config.root}`,
    sandbox: String(config.sandbox),
    // Without the right to make namespaces a build fails, instead of running unconfined.
    'sandbox-fallback': 'false',
    'build-users-group': '',
    substituters: '',
    builders: '',
    'sandbox-paths': config.sandboxPaths.join(' '),
    'system-features': config.features.join(' '),
    'extra-platforms': config.extraPlatforms.join(' '),
    'keep-build-log': 'false',
    ...config.extra,
  };
  return Object.entries(settings)
    .map(([name, value]) => {
      if (/[\n\r]/.test(name + value)) throw new RangeError(`${name}: expected one line, got ${JSON.stringify(value)}`);
      return `${name} = ${value}\n`;
    })
    .join('');
}
