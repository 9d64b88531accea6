// The label manager and the table manager: ranges of numbers for daemons that ask. A daemon is known by its type, instance
// and session, so that after a crash it can start over. FRR's ldpd connects to the label manager first, over a session of its
// own; its bgpd just asks, over the one that it has.
import type { ManagerConnect } from '../../zapi/index.ts';
import type { Chunks } from './chunks.ts';
import type { Client, On } from './client.ts';

export interface Managers {
  readonly labels: Chunks;
  readonly tables: Chunks;
}

export function onManagers(on: On, client: Client, { labels, tables }: Managers): void {
  const key = (message: { readonly routeType: number; readonly instance: number }): string =>
    `${message.routeType}/${message.instance}/${client.sessionId}`;
  const connect = ({ routeType, instance }: ManagerConnect, vrf: number): void => {
    // It starts over: what it held before a crash is free again.
    labels.releaseAll(key({ routeType, instance }));
    // Also where it asked asynchronously: FRR's zebra has one answer for both.
    client.out.put('LABEL_MANAGER_CONNECT', { routeType, instance, result: 0 }, vrf);
  };
  on('LABEL_MANAGER_CONNECT', connect);
  on('LABEL_MANAGER_CONNECT_ASYNC', connect);
  on('GET_LABEL_CHUNK', (message, vrf) => {
    const { routeType, instance, keep, size, base } = message;
    const range = labels.take(key(message), size, base, keep === 0 ? client : undefined);
    client.out.put(
      'GET_LABEL_CHUNK',
      range === undefined ? { routeType, instance } : { routeType, instance, range: { keep, ...range } },
      vrf,
    );
    if (range !== undefined) return;
    const where = base === 0 ? 'in a row' : `from ${base} on`;
    client.complain(`asks for ${size} labels ${where}, which are not free (${labels.taken} are given out)`);
  });
  on('RELEASE_LABEL_CHUNK', message => {
    if (labels.release(key(message), message.start, message.end)) return;
    client.complain(`gives back the labels ${message.start} to ${message.end}, which it did not get`);
  });
  on('TABLE_MANAGER_CONNECT', (message, vrf) => {
    tables.releaseAll(key(message));
    client.out.put('TABLE_MANAGER_CONNECT', { result: 0 }, vrf);
  });
  on('GET_TABLE_CHUNK', (message, vrf) => {
    const range = tables.take(key(client), message.size, 0, client);
    if (range !== undefined) client.out.put('GET_TABLE_CHUNK', range, vrf);
    else client.complain(`no ${message.size} tables are free`);
  });
  on('RELEASE_TABLE_CHUNK', message => {
    tables.release(key(client), message.start, message.end);
  });
}
