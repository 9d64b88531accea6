// `grevy run`: the daemon in the foreground.
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ExitCode, runDaemon } from '../daemon/index.ts';
import { version } from './version.ts';

export async function run(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      config: { type: 'string', short: 'c' },
      'run-dir': { type: 'string', default: '/run/grevy' },
      zserv: { type: 'string', short: 'z' },
      retain: { type: 'boolean', short: 'r', default: false },
      'graceful-restart': { type: 'string', short: 'K' },
      'nl-bufsize': { type: 'string', short: 's' },
      vrfwnetns: { type: 'boolean', short: 'n', default: false },
      'no-rehearsal': { type: 'boolean', default: false },
      record: { type: 'string' },
      'graph-workers': { type: 'string' },
    },
  });
  if (values.config === undefined) {
    process.stderr.write('grevy run: which configuration? (-c FILE)\n');
    return ExitCode.usage;
  }
  const wait = values['graceful-restart'];
  if (wait !== undefined && !/^\d{1,6}$/.test(wait)) {
    process.stderr.write(`grevy run: -K ${wait}: a number of seconds is needed\n`);
    return ExitCode.usage;
  }
  const bufferSize = values['nl-bufsize'];
  if (bufferSize !== undefined && !/^[1-9]\d{0,8}$/.test(bufferSize)) {
    process.stderr.write(`grevy run: -s ${bufferSize}: a number of bytes is needed\n`);
    return ExitCode.usage;
  }
  const workers = values['graph-workers'];
  if (workers !== undefined && !(/^[1-9]\d?$/.test(workers) && Number(workers) <= 64)) {
    process.stderr.write(`grevy run: --graph-workers ${workers}: 1 to 64\n`);
    return ExitCode.usage;
  }
  return await runDaemon({
    configFile: resolve(values.config),
    runDir: resolve(values['run-dir']),
    ...(values.zserv === undefined ? {} : { zserv: resolve(values.zserv) }),
    retain: values.retain,
    namespaces: values.vrfwnetns,
    rehearse: !values['no-rehearsal'],
    ...(values.record === undefined ? {} : { record: resolve(values.record) }),
    ...(wait === undefined ? {} : { gracefulRestartMs: Number(wait) * 1000 }),
    ...(bufferSize === undefined ? {} : { receiveBuffer: Number(bufferSize) }),
    ...(workers === undefined ? {} : { graphWorkers: Number(workers) }),
    version: version(),
  });
}
