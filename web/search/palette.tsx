import { useEffect, useRef, useState } from 'preact/hooks';
import { goTo } from '../router.ts';
import { sessionEnded } from '../session/session-end.ts';
import { find } from './find.ts';
import { searchLink } from './search-box.tsx';
import { mentions } from './text.ts';

interface Choice {
  readonly kind: string;
  readonly text: string;
  readonly href: string;
  readonly note?: string;
}

/** Of each kind. */
const most = 5;
/** What is being written is asked for once it pauses. */
const pauseMs = 150;

/**
 * A way to any page and any thing by the keyboard: Ctrl+K or `/` opens it, the arrows choose, Enter goes there. The pattern is the
 * combobox of the ARIA Authoring Practices: the focus stays in the field, and what is chosen is told by `aria-activedescendant`.
 */
export function Palette({ pages }: { readonly pages: readonly (readonly [path: string, name: string])[] }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      // No key alone: who speaks to a computer, or hits one by chance, would open it (WCAG 2.1.4).
      const isAsked =
        (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k';
      // Another dialog asks something: that comes first.
      if (!isAsked || document.querySelector('dialog[open]') !== null) return;
      event.preventDefault();
      setOpen(true);
      dialog.current?.showModal();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);

  const go = (href: string): void => {
    dialog.current?.close();
    goTo(href);
  };
  return (
    <dialog ref={dialog} class="palette" aria-label="Go to" onClose={() => setOpen(false)}>
      {isOpen && <Choices pages={pages} go={go} />}
    </dialog>
  );
}

function Choices({
  pages,
  go,
}: {
  readonly pages: readonly (readonly [path: string, name: string])[];
  readonly go: (href: string) => void;
}) {
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const [text, setText] = useState('');
  const [found, setFound] = useState<{ readonly text: string; readonly choices: readonly Choice[] }>();
  const [error, setError] = useState<string>();
  const [at, setAt] = useState(0);
  useEffect(() => input.current?.focus(), []);

  useEffect(() => {
    setError(undefined);
    if (text.trim() === '') return setFound(undefined);
    let isOver = false;
    const timer = setTimeout(() => {
      find(text, most).then(
        (groups) => {
          const choices = groups.flatMap(({ kind, found: some }) => some.map((one) => ({ ...one, kind })));
          if (!isOver) setFound({ text, choices });
        },
        (problem: Error) => {
          if (!isOver && !sessionEnded(problem)) setError(problem.message);
        },
      );
    }, pauseMs);
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [text]);

  const choices: readonly Choice[] = [
    ...pages
      .filter(([, name]) => mentions(text.trim(), name))
      .map(([path, name]) => ({ kind: 'Pages', text: name, href: `/${path}` })),
    // What was found for a shorter text stays until there is better, so that nothing flickers.
    ...(text.trim() === '' ? [] : (found?.choices ?? [])),
    ...(text.trim() === '' ? [] : [{ kind: 'Search', text: `All that has “${text.trim()}”`, href: searchLink(text) }]),
  ];
  const chosen = Math.min(at, choices.length - 1);
  useEffect(() => list.current?.children[chosen]?.scrollIntoView({ block: 'nearest' }), [chosen]);

  function onKeyDown(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setAt((chosen + step + choices.length) % choices.length);
    } else if (event.key === 'Enter') {
      event.preventDefault();
      const choice = choices[chosen];
      if (choice !== undefined) go(choice.href);
    }
  }
  return (
    <>
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label="Go to a page or a thing"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-autocomplete="list"
        aria-activedescendant={`palette-${chosen}`}
        autocomplete="off"
        spellcheck={false}
        placeholder="A page, a name, an id, a tag"
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <div ref={list} id="palette-list" role="listbox" aria-label="What there is">
        {choices.map(({ kind, text: name, href, note }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are the field's, which keeps the focus
          <div
            key={href}
            id={`palette-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onMouseMove={() => setAt(index)}
            onClick={() => go(href)}
          >
            <span>
              {name} {note !== undefined && <span class="quiet">{note}</span>}
            </span>
            <span class="quiet">{kind}</span>
          </div>
        ))}
      </div>
      <output class="quiet">{error ?? said(text, found?.text, choices)}</output>
    </>
  );
}

function said(text: string, found: string | undefined, choices: readonly Choice[]): string {
  if (text.trim() !== '' && found !== text) return 'Looking…';
  return choices.every(({ kind }) => kind === 'Search')
    ? 'Nothing has that in its name or its id'
    : `${choices.length} to choose from`;
}
