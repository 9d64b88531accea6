// Where `write` of ngctl gets the bytes of its packet: a file, or words that are a byte each.
import { open } from 'node:fs/promises';

/** No packet is longer. */
export const WRITE_LIMIT = 65_535;

type Warn = (text: string) => void;

/** What a system call refused, in the words of the system. */
export function why(error: unknown): string {
  const { message } = error as Error;
  const words = /^\w+: (.*?)(?:, \w+.*)?$/.exec(message)?.[1] ?? message;
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export async function fileBytes(warn: Warn, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await open(path);
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(WRITE_LIMIT + 1), 0, WRITE_LIMIT + 1, null);
      if (bytesRead > 0 && bytesRead <= WRITE_LIMIT) return buffer.subarray(0, bytesRead);
      warn(`file "${path}" is ${bytesRead === 0 ? 'empty' : `longer than ${WRITE_LIMIT} bytes`}`);
    } finally {
      await file.close();
    }
  } catch (error) {
    warn(`can't read file "${path}": ${why(error)}`);
  }
  return undefined;
}

export function wordBytes(warn: Warn, words: readonly string[]): Uint8Array | undefined {
  if (words.length > WRITE_LIMIT) {
    warn(`${words.length} bytes are more than ${WRITE_LIMIT}`);
    return undefined;
  }
  const data = new Uint8Array(words.length);
  for (const [i, word] of words.entries()) {
    const parts = /^([+-]?)(?:0[xX]([0-9a-fA-F]+)|0([0-7]*)|([1-9][0-9]*))$/.exec(word);
    const [, sign, hex, octal, decimal] = parts ?? [];
    const magnitude =
      hex !== undefined
        ? Number.parseInt(hex, 16)
        : decimal !== undefined
          ? Number(decimal)
          : Number.parseInt(`0${octal}`, 8);
    const byte = sign === '-' ? -magnitude : magnitude;
    if (!parts || byte < -128 || byte > 255) {
      warn(`invalid byte "${word}"`);
      return undefined;
    }
    data[i] = byte;
  }
  return data;
}
