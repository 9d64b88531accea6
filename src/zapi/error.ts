// What the other side of a ZAPI connection may get wrong. After any of these the byte stream has no meaning any more, so the
// session ends; only `body` faults leave the framing intact and may be skipped.

export type ZapiFault = 'marker' | 'version' | 'length' | 'body';

export class ZapiError extends Error {
  override readonly name: string = 'ZapiError';
  readonly fault: ZapiFault;
  /** Offending value, where it is a number. */
  readonly value: number;

  constructor(fault: ZapiFault, message: string, value = 0) {
    super(message);
    this.fault = fault;
    this.value = value;
  }
}
