import { render } from 'preact';
import { App } from './app.tsx';
import { onOverview } from './live/overview.ts';
import { followLinks } from './router.ts';
import { findSelf } from './session/session.ts';
import { showHiddenMarks } from './words/show-marks.ts';

/** Milliseconds that nothing is drawn, where nobody answers. */
const longestBlank = 300;

showHiddenMarks();
followLinks();
// What most look at first is on its way before it is known who looks.
if (location.pathname === '/') onOverview(() => undefined)();
await Promise.race([findSelf(), new Promise((resolve) => setTimeout(resolve, longestBlank))]);
render(<App />, document.getElementById('app') as HTMLElement);
