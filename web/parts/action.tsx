import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { sessionEnded } from '../session/session-end.ts';
import { Problem } from './problem.tsx';

/**
 * Something that changes the farm: asked for by a button, done once it was confirmed where it cannot be taken back, and told of.
 *
 * @param act what is done; what it resolves with is shown
 */
export function Action({
  name,
  label,
  confirm,
  act,
  done,
  disabled = false,
  offered = true,
}: {
  readonly name: string;
  /** What it does to which thing, where more than one button of the page has the name. */
  readonly label?: string | undefined;
  readonly confirm?: string | undefined;
  readonly act: () => Promise<ComponentChildren>;
  readonly done?: (() => void) | undefined;
  /** Whether something that it needs is not there yet. */
  readonly disabled?: boolean;
  /** Whether it can be done as things are: what it said when it was done stays after that. */
  readonly offered?: boolean;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [state, setState] = useState<{ busy?: boolean; said?: ComponentChildren; error?: Error }>({});

  // What is offered anew has said nothing yet.
  useEffect(() => {
    if (offered) setState({});
  }, [offered]);

  async function run(): Promise<void> {
    dialog.current?.close();
    setState({ busy: true });
    try {
      setState({ said: (await act()) ?? `${name}: done` });
      done?.();
    } catch (error) {
      setState(sessionEnded(error) ? {} : { error: error as Error });
    }
  }

  if (!offered && state.said === undefined && state.error === undefined) return null;
  return (
    <div class="action">
      {offered && (
        <button
          type="button"
          aria-label={label}
          disabled={state.busy || disabled}
          onClick={() => (confirm === undefined ? void run() : dialog.current?.showModal())}
        >
          {name}
        </button>
      )}
      {offered && confirm !== undefined && (
        <dialog ref={dialog} aria-label={label ?? name}>
          <p>{confirm}</p>
          <button type="button" onClick={() => void run()}>
            {name}
          </button>{' '}
          {/* It has the focus: Enter twice does nothing that cannot be taken back. */}
          <button type="button" autofocus onClick={() => dialog.current?.close()}>
            Not now
          </button>
        </dialog>
      )}
      {state.said !== undefined && <output>{state.said}</output>}
      {state.error !== undefined && <Problem error={state.error} />}
    </div>
  );
}
