import { splitName } from '../words/format.ts';

/** A store path's base name as people read it: the name first, its hash in small. */
export function Name({ base, href }: { readonly base: string; readonly href?: string | undefined }) {
  const { hash, name } = splitName(base);
  const text = (
    <>
      <span class="name">{name}</span> <span class="hash">{hash.slice(0, 8)}</span>
    </>
  );
  return href === undefined ? (
    <span title={base}>{text}</span>
  ) : (
    <a href={href} title={base}>
      {text}
    </a>
  );
}
