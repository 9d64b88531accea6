// Under inetd(8) and its like descriptors 0 and 1 are one socket, and nghook may write to 0 (-s) or read from 1 (-S). Node has made streams
// of both by then, which block for nobody: a stream of our own stands on a descriptor of its own.
import { createReadStream, createWriteStream, fstatSync } from 'node:fs';
import net from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { duplicateFd } from '../../sys/index.ts';

export function inputFrom(fd: number): Readable {
  const own = duplicateFd(fd);
  return streams(own)
    ? new net.Socket({ fd: own, readable: true, writable: false })
    : createReadStream('', { fd: own });
}

export function outputTo(fd: number): Writable {
  const own = duplicateFd(fd);
  return streams(own)
    ? new net.Socket({ fd: own, readable: false, writable: true })
    : createWriteStream('', { fd: own });
}

function streams(fd: number): boolean {
  const stat = fstatSync(fd);
  return stat.isSocket() || stat.isFIFO();
}
