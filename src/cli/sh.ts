// `grevy sh`: a thin client of the daemon's vty socket. With `-c` it runs commands and prints exactly what they print;
// without, it is a shell on a terminal, or runs the lines of its standard input.
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { VtyClient } from './shell/client.ts';

export async function sh(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      'run-dir': { type: 'string', default: '/run/grevy' },
      command: { type: 'string', short: 'c', multiple: true },
    },
  });
  const path = join(values['run-dir'], 'vty.sock');
  let client: VtyClient;
  try {
    client = await VtyClient.connect(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT' || code === 'ECONNREFUSED'
        ? `no daemon answers (is 'grevy run --run-dir ${values['run-dir']}' running?)`
        : message;
    process.stderr.write(`grevy sh: ${path}: ${why}\n`);
    return 1;
  }
  // `grevy sh -c … | head`: the reader has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  try {
    if (values.command)
      return await batch(
        client,
        values.command.flatMap(text => text.split('\n')),
      );
    if (process.stdin.isTTY) {
      const { interactive } = await import('./shell/interactive.ts');
      return await interactive(client, { input: process.stdin, output: process.stdout });
    }
    return await lines(client);
  } catch (error) {
    process.stderr.write(`grevy sh: ${(error as Error).message}\n`);
    return 1;
  } finally {
    client.close();
  }
}

/** Runs commands in order, up to the first that fails. */
async function batch(client: VtyClient, commands: readonly string[]): Promise<number> {
  for (const line of commands) {
    const ended = await client.execute(line, print);
    if (!ended.ok) {
      process.stderr.write(`${ended.error}\n`);
      return 1;
    }
    if (ended.exit) break;
  }
  return 0;
}

/** Runs the lines of standard input, all of them; says which ones failed. */
async function lines(client: VtyClient): Promise<number> {
  let failed = 0;
  let number = 0;
  const input = createInterface({ input: process.stdin, crlfDelay: Infinity });
  for await (const line of input) {
    number++;
    const ended = await client.execute(line, print);
    if (!ended.ok) {
      failed++;
      process.stderr.write(`line ${number}: ${ended.error}\n`);
    }
    if (ended.exit) break;
  }
  input.close();
  process.stdin.destroy();
  return failed > 0 ? 1 : 0;
}

function print(text: string): void | Promise<void> {
  if (process.stdout.write(text)) return;
  return new Promise(resolve => process.stdout.once('drain', resolve));
}
