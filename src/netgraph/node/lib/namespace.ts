// Interfaces belong to a network namespace, and so do the sockets that ask about them: those are opened where the workers are.
import { inNetworkNamespace, SysError } from '../../../sys/index.ts';
import { CODES, NetgraphError, type NetgraphErrorCode } from '../../graph/error.ts';

/** Runs `fn` with this thread in the namespace at `path`; where it is already, without one. */
export function inside<T>(path: string | undefined, fn: () => T): T {
  return path === undefined ? fn() : inNetworkNamespace(path, fn);
}

/** What the kernel refuses is refused to the sender, by the same code where netgraph has it. */
export function asking<T>(fn: () => T): T {
  try {
    return fn();
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    const code = error.code in CODES ? (error.code as NetgraphErrorCode) : 'EINVAL';
    throw new NetgraphError(code, error.message);
  }
}

/** `aa:bb:cc:dd:ee:ff` */
export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(':');
}

/** The six bytes of an Ethernet address that a form has taken for one. */
export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), part => Number.parseInt(part, 16));
}
