export { version } from '../adapters/runtime/version.ts';
