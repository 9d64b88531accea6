// The ZAPI server of zebra's thread.
export { clientCommands } from './commands.ts';
export { type ServerTasks, ZapiServer, type ZapiServerOptions } from './server.ts';
export type { Session } from './session.ts';
