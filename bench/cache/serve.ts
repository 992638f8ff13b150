/** A coordinator in a process of its own, as `drover coordinator` runs it; says its URL to the process that started it. */
import { pino } from 'pino';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { runCoordinator } from '../../programs/coordinator.ts';

const config = coordinatorConfigSchema.parse({ data: process.argv[2], listen: '127.0.0.1:0' });
const running = await runCoordinator(config, pino({ level: 'silent' }));
process.send?.({ url: running.url, tokenFile: running.adminTokenFile });
process.once('disconnect', () => void running.close());
