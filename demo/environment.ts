import { fileURLToPath } from 'node:url';
import type { Workspace } from './workspace.ts';

/** Kept from one demo to the next: what it starts is compiled once. */
const compiled = fileURLToPath(new URL('../.cache/compiled', import.meta.url));

/** The demo's own environment for what it starts: no setting of the user's Nix, Guix or Drover changes what it shows. */
export function demoEnvironment(workspace: Workspace, outer: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const kept = Object.entries(outer).filter(([name]) => !/^(?:DROVER_|NIX_|GUIX_)/.test(name));
  return {
    NODE_COMPILE_CACHE: compiled,
    ...Object.fromEntries(kept),
    // No cache but the coordinator's is ever asked, and nothing of /etc/nix counts.
    NIX_CONFIG: 'substituters =\nexperimental-features = nix-command\n',
    NIX_CONF_DIR: workspace.file('no-configuration'),
    NIX_USER_CONF_FILES: '',
    // Nix remembers for a month what a cache has, by its address; the next demo may well have the same one.
    XDG_CACHE_HOME: cacheHome(workspace),
  };
}

export const cacheHome = (workspace: Workspace) => workspace.file('client-cache');
