import { render } from 'preact';
import { App } from './app.tsx';
import { followLinks } from './router.ts';
import { showHiddenMarks } from './show-marks.ts';

showHiddenMarks();
followLinks();
render(<App />, document.getElementById('app') as HTMLElement);
