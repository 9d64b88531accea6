// All forms, from one place.
export { ipv4, ipv6, mac } from './addresses.ts';
export { array, type ArrayOptions, bytearray, struct } from './composite.ts';
export {
  hint16,
  hint32,
  hint64,
  hint8,
  int16,
  int32,
  int64,
  int8,
  uint16,
  uint32,
  uint64,
  uint8,
} from './numbers.ts';
export { AsciiError, AsciiReader } from './reader.ts';
export { type Form, fromBinary, parseAscii, printAscii, toBinary, type ValueOf } from './shape.ts';
export {
  cmdbuf,
  fixedString,
  hookbuf,
  nodebuf,
  pathbuf,
  quote,
  sizedString,
  string,
  typebuf,
} from './strings.ts';
