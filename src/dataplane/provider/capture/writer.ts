// The thread that writes a capture's file: writing may wait, so nobody else does it. It sleeps until there are blocks.
import { closeSync, openSync, renameSync, writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { ByteConsumer, Doorbell } from '../../../concurrency/index.ts';
import { type CaptureChannel, CapturePage, ENDED, ENDING } from './channel.ts';
import { fileHeader } from './pcapng.ts';

export interface CaptureWriterData {
  readonly channel: CaptureChannel;
  readonly file: string;
  /** A file that is so large is closed, and another one begun; 0: never. */
  readonly fileBytes: number;
  /** Files at most, the one that is being written included. */
  readonly files: number;
}

/** Bytes that are written at a time. */
const CHUNK_BYTES = 262_144;

const { channel, file, fileBytes, files } = workerData as CaptureWriterData;
const page = new CapturePage(channel.page);
const ring = new ByteConsumer(channel.ring);
const bell = new Doorbell(channel.writerBell);
const header = fileHeader('Grevy dataplane', 'dplane');
const chunk = Buffer.alloc(CHUNK_BYTES);
let fd = -1;
let size = 0; // of the file, with what is in the chunk
let staged = 0; // bytes in the chunk

function write(bytes: Uint8Array): void {
  for (let from = 0; from < bytes.length; ) from += writeSync(fd, bytes, from);
}

function begin(): void {
  fd = openSync(file, 'w', 0o640);
  write(header);
  size = header.length;
  page.files++;
}

function flush(): void {
  write(chunk.subarray(0, staged));
  staged = 0;
}

/** FILE becomes FILE.1, FILE.1 becomes FILE.2 …, and the oldest is written over. */
function rotate(): void {
  flush();
  closeSync(fd);
  for (let i = Math.min(files, page.files + 1) - 1; i > 0; i--)
    renameSync(i === 1 ? file : `${file}.${i - 1}`, `${file}.${i}`);
  begin();
}

/** Writes what is there; false where there was nothing. */
function drain(): boolean {
  let any = false;
  while (ring.next()) {
    any = true;
    if (fileBytes > 0 && size + ring.size > fileBytes && size > header.length) rotate();
    if (staged + ring.size > CHUNK_BYTES) flush();
    chunk.set(ring.bytes.subarray(ring.offset, ring.offset + ring.size), staged);
    staged += ring.size;
    size += ring.size;
    ring.release();
  }
  if (staged > 0) flush();
  return any;
}

try {
  begin();
  for (;;) {
    // Looked at first: what was put in before the end was asked for is there then.
    const ending = page.state === ENDING;
    bell.armWait();
    if (drain()) continue;
    if (ending) break;
    if (page.state !== ENDING) bell.sleep();
  }
  closeSync(fd);
  page.state = ENDED;
} catch (error) {
  page.fail(error instanceof Error ? error.message : String(error));
}
Doorbell.close(channel.writerBell);
new Doorbell(channel.dataplaneBell).ring();
