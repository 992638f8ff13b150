import { options } from 'preact';
import { visible } from './visible.ts';

const texts = ['title', 'aria-label', 'alt', 'placeholder'] as const;

/** Has all texts of all pages be {@link visible}, and what is said or shown of elements beside: whoever draws a name has nothing to see to. */
export function showHiddenMarks(): void {
  const before = options.vnode;
  options.vnode = (node) => {
    // A text is a node without a type, and its own properties.
    const { type, props } = node as { readonly type: unknown; props: unknown };
    if (typeof props === 'string') (node as { props: unknown }).props = visible(props);
    else if (typeof type === 'string') {
      const attributes = props as Record<string, unknown>;
      for (const name of texts) {
        const text = attributes[name];
        if (typeof text === 'string') attributes[name] = visible(text);
      }
    }
    before?.(node);
  };
}
