// When a link's state is known behind zebra: by what it tells a client of its ZAPI socket (lib/kernel-links.ts is the other side).
import { connect } from 'node:net';
import { IFF_RUNNING } from '../../src/zebra/index.ts';
import { FRR_8_4_4, routeTypeNumber, ZapiClient } from '../../src/zapi/index.ts';
import { epochMs, type LinkState } from '../lib/kernel-links.ts';

/** What the zebra behind a ZAPI socket says of links. */
export function zebraLinks(path: string, tell: (state: LinkState) => void): () => void {
  const client: ZapiClient = new ZapiClient({
    connect: events => {
      const socket = connect({ path });
      socket.on('connect', () => events.open());
      socket.on('data', (bytes: Buffer) => events.bytes(bytes, 0, bytes.length));
      socket.on('error', () => {});
      socket.on('close', () => events.close(undefined));
      return {
        write: (bytes, offset, n) => {
          socket.write(bytes.slice(offset, offset + n));
          return n;
        },
        close: () => socket.destroy(),
      };
    },
    routeType: routeTypeNumber(FRR_8_4_4, 'static'),
    handlers: {
      on: {
        INTERFACE_UP: ({ name, flags }) => tell({ name, up: (flags & IFF_RUNNING) !== 0, atMs: epochMs() }),
        INTERFACE_DOWN: ({ name }) => tell({ name, up: false, atMs: epochMs() }),
      },
    },
  });
  client.wantInterfaces();
  client.start();
  return () => client.stop();
}
