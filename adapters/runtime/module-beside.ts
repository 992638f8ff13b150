/**
 * Where a thread or process of ours has its program: the module `name` (without ending), relative to the module at `url`. That is TypeScript
 * in a clone and JavaScript in the package that npm makes, as Node strips no types below `node_modules`.
 */
export function moduleBeside(name: string, url: string): URL {
  return new URL(name + (url.endsWith('.ts') ? '.ts' : '.js'), url);
}
