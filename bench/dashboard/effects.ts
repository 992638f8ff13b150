/**
 * Hooks for components that nobody looks at: each is called once, its effects run, and what they set is kept but not drawn. So the very modules
 * of the dashboard ask what they would ask in a browser.
 */
type VNode = {
  readonly type: string | ((props: object) => unknown);
  readonly props: { readonly children?: unknown };
};

const effects: (() => unknown)[] = [];
/** Stands for each element that a component has a reference to. */
const element = { clientWidth: 800, clientHeight: 600 };

export function useState<Value>(
  initial: Value | (() => Value),
): [Value, (next: Value | ((old: Value) => Value)) => void] {
  let value = typeof initial === 'function' ? (initial as () => Value)() : initial;
  return [
    value,
    (next) => {
      value = typeof next === 'function' ? (next as (old: Value) => Value)(value) : next;
    },
  ];
}
export const useRef = <Value>(initial: Value): { current: Value } => ({ current: initial ?? (element as Value) });
export const useCallback = <Value>(value: Value): Value => value;
export const useMemo = <Value>(make: () => Value): Value => make();
export const useEffect = (effect: () => unknown): void => void effects.push(effect);
export const useLayoutEffect = useEffect;
/** What is not drawn does not fail at that. */
export const useErrorBoundary = (): [undefined, () => void] => [undefined, () => undefined];

/** Calls the component and those in what it gives, then runs their effects. */
export function mount(component: (props: object) => unknown): void {
  visit(component({}));
  for (const effect of effects.splice(0)) effect();
}

function visit(node: unknown): void {
  if (Array.isArray(node)) return node.forEach(visit);
  if (typeof node !== 'object' || node === null) return;
  const { type, props } = node as VNode;
  visit(typeof type === 'function' ? type(props) : props.children);
}
