// `dplane capture FILE`: begins to write what passes the dataplane; `no dplane capture` ends that; `show dplane capture`.
import { type Command, exec } from '../../../vty/index.ts';
import type { Dataplane } from '../../dataplane.ts';
import { Capture, type CaptureStats } from './capture.ts';

const NAME = 'capture';
const MIB = 2 ** 20;

function line(label: string, value: number | string): string {
  return `${`${label}:`.padEnd(26)}${value}\n`;
}

function begin(dataplane: Dataplane, file: string, sizeMb: number | undefined, files: number | undefined): string {
  const { pipeline } = dataplane;
  pipeline.unregister(NAME);
  const nameOf = (id: number): string => pipeline.providers.find(one => one.id === id)?.name ?? `provider ${id}`;
  pipeline.register(
    new Capture({
      name: NAME,
      file,
      nameOf,
      ...(sizeMb === undefined ? {} : { fileBytes: sizeMb * MIB }),
      ...(files === undefined ? {} : { files }),
    }),
  );
  return '';
}

function stats(dataplane: Dataplane): CaptureStats | undefined {
  return dataplane.pipeline.status(NAME) as CaptureStats | undefined;
}

function* show(capture: CaptureStats | undefined): Generator<string> {
  if (capture === undefined) {
    yield 'Nothing is captured.\n';
    return;
  }
  yield line('File', capture.file);
  yield line('State', capture.reason === undefined ? capture.state : `${capture.state}: ${capture.reason}`);
  yield line('Messages', capture.messages);
  yield line('Bytes', capture.bytes);
  yield line('Dropped', capture.dropped);
  yield line('Files begun', capture.files);
}

const HELP = {
  dplane: 'Dataplane information',
  capture: 'Write what passes to a file that Wireshark opens (pcapng of netlink)',
} as const;

export const captureCommands: readonly Command<Dataplane>[] = [
  exec({
    syntax: 'dplane capture FILE$file [size (1-100000)$size] [files (1-1000)$files]',
    help: [
      HELP.dplane,
      HELP.capture,
      'Path of the file; what is there is written over',
      'Begin another file when this one is so large',
      'MiB',
      'Keep so many files: FILE, FILE.1 …',
      'Number of files',
    ],
    run: (dataplane: Dataplane, args) => begin(dataplane, args.file, args.size, args.files),
  }),
  exec({
    syntax: 'no dplane capture',
    help: ['Negate a command or set its defaults', HELP.dplane, HELP.capture],
    run: (dataplane: Dataplane) => {
      dataplane.pipeline.unregister(NAME);
    },
  }),
  exec({
    syntax: 'show dplane capture [json$json]',
    help: [
      'Show running system information',
      HELP.dplane,
      'What is written of what passes',
      'JavaScript Object Notation',
    ],
    run: (dataplane: Dataplane, args) => {
      const capture = stats(dataplane);
      return args.json ? (capture ?? {}) : show(capture);
    },
  }),
];
