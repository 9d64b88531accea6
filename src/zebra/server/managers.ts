// The label manager and the table manager: ranges of numbers for daemons that ask. A daemon is known by its type, instance
// and session, so that after a crash it can start over.
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
  const connect = (
    name: 'LABEL_MANAGER_CONNECT' | 'LABEL_MANAGER_CONNECT_ASYNC',
    message: ManagerConnect,
    vrf: number,
  ): void => {
    // It starts over: what it held before a crash is free again.
    labels.releaseAll(key(message));
    client.out.put(name, { routeType: message.routeType, instance: message.instance, result: 0 }, vrf);
  };
  on('LABEL_MANAGER_CONNECT', (message, vrf) => connect('LABEL_MANAGER_CONNECT', message, vrf));
  on('LABEL_MANAGER_CONNECT_ASYNC', (message, vrf) => {
    connect('LABEL_MANAGER_CONNECT_ASYNC', message, vrf);
  });
  on('GET_LABEL_CHUNK', (message, vrf) => {
    const { routeType, instance, keep, size, base } = message;
    const range = labels.take(key(message), size, base);
    client.out.put(
      'GET_LABEL_CHUNK',
      range === undefined ? { routeType, instance } : { routeType, instance, range: { keep, ...range } },
      vrf,
    );
    if (range === undefined) client.complain(`no ${size} labels are free`);
  });
  on('RELEASE_LABEL_CHUNK', message => {
    labels.release(key(message), message.start, message.end);
  });
  on('TABLE_MANAGER_CONNECT', (message, vrf) => {
    tables.releaseAll(key(message));
    client.out.put('TABLE_MANAGER_CONNECT', { result: 0 }, vrf);
  });
  on('GET_TABLE_CHUNK', (message, vrf) => {
    const range = tables.take(key(client), message.size, 0);
    if (range !== undefined) client.out.put('GET_TABLE_CHUNK', range, vrf);
    else client.complain(`no ${message.size} tables are free`);
  });
  on('RELEASE_TABLE_CHUNK', message => {
    tables.release(key(client), message.start, message.end);
  });
}
