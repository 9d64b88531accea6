// `grevy ngctl`, `grevy nghook` and `grevy flowctl`: FreeBSD's tools of netgraph, for the graph of a running daemon, or for one of their own.
import { graphMessenger, openGraph, type OpenAlone, runFlowctl, runNgctl, runNghook } from '../netgraph/index.ts';

const openAlone: OpenAlone = async name => {
  const graph = await openGraph();
  try {
    return { messenger: graphMessenger(graph, name), close: () => graph.close() };
  } catch (error) {
    await graph.close();
    throw error;
  }
};

const streams = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  terminal: process.stdin.isTTY && process.stdout.isTTY,
};

export function ngctl(argv: readonly string[]): Promise<number> {
  leaveWithReader();
  return runNgctl(argv, streams, openAlone);
}

export function nghook(argv: readonly string[]): Promise<number> {
  leaveWithReader();
  return runNghook(argv, streams, openAlone);
}

export function flowctl(argv: readonly string[]): Promise<number> {
  leaveWithReader();
  return runFlowctl(argv, streams, openAlone);
}

/** `grevy ngctl … | head`: the reader has seen enough. */
function leaveWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}
