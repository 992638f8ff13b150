/**
 * Node's clients of HTTP. An `import` of `node:http` reads all that it exports, its WebSocket among it, and thereby loads the whole of Node's
 * `fetch`: 70 ms of processor time at each start of a coordinator and of an agent, and 14 MB, for nothing.
 */
export const http = process.getBuiltinModule('node:http');
export const https = process.getBuiltinModule('node:https');
