// Token buckets: over every stretch of time, what passes is no more than the rate's share and the burst, and what keeps to the rate
// passes; then the buckets' contents by hand.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  GREEN,
  Meter,
  METER_DOUBLE_RATE,
  METER_RED,
  METER_SHAPE,
  METER_SINGLE_RATE,
  RED,
  SHAPE_QUEUE,
  YELLOW,
} from '../../../src/netgraph/lib/meter.ts';

const traffic = fc.array(
  fc.record({
    length: fc.integer({ min: 20, max: 1500 }),
    gapMs: fc.oneof(fc.constant(0), fc.double({ min: 0, max: 50, noNaN: true })),
  }),
  { minLength: 1, maxLength: 120 },
);

interface Passed {
  at: number;
  length: number;
  colour: number;
}

function run(meter: Meter, packets: { length: number; gapMs: number }[]): Passed[] {
  let at = 0;
  return packets.map(({ length, gapMs }) => {
    at += gapMs;
    return { at, length, colour: meter.meter(length, at) };
  });
}

/** In every stretch from one packet to another: bytes of these colours <= burst + rate * time. */
function bounded(passed: Passed[], worst: number, rate: number, burst: number): void {
  for (let i = 0; i < passed.length; i++) {
    let bytes = 0;
    for (let j = i; j < passed.length; j++) {
      if (passed[j]!.colour <= worst) bytes += passed[j]!.length;
      assert.ok(
        bytes <= burst + (rate / 8000) * (passed[j]!.at - passed[i]!.at) + 1e-6,
        `${bytes} bytes from ${i} to ${j}`,
      );
    }
  }
}

describe('meter', () => {
  const size = fc.integer({ min: 1500, max: 6000 });
  const rate = fc.integer({ min: 8000, max: 4_000_000 });

  test('RFC 2697: green keeps to CIR and CBS, green and yellow to CIR and both bursts', () => {
    fc.assert(
      fc.property(traffic, rate, size, size, (packets, cir, cbs, ebs) => {
        const passed = run(new Meter({ mode: METER_SINGLE_RATE, cir, cbs, ebs }, 0), packets);
        bounded(passed, GREEN, cir, cbs);
        bounded(passed, YELLOW, cir, cbs + ebs);
      }),
    );
  });

  test('RFC 2698: green keeps to CIR and CBS, green and yellow to PIR and PBS', () => {
    fc.assert(
      fc.property(traffic, rate, rate, size, size, (packets, cir, more, cbs, ebs) => {
        const pir = cir + more;
        const passed = run(new Meter({ mode: METER_DOUBLE_RATE, cir, pir, cbs, ebs }, 0), packets);
        bounded(passed, GREEN, cir, cbs);
        bounded(passed, YELLOW, pir, ebs);
      }),
    );
  });

  test('RED: what passes keeps to CIR, CBS and a debt of EBS', () => {
    fc.assert(
      fc.property(traffic, rate, size, size, (packets, cir, cbs, ebs) => {
        const meter = new Meter({ mode: METER_RED, cir, cbs, ebs }, 0);
        bounded(run(meter, packets), YELLOW, cir, cbs + ebs);
        assert.ok(meter.committed >= -ebs);
      }),
    );
  });

  test('what keeps to the rate is green, in every mode', () => {
    fc.assert(
      fc.property(traffic, rate, (packets, cir) => {
        for (const mode of [METER_SINGLE_RATE, METER_DOUBLE_RATE, METER_RED]) {
          const meter = new Meter({ mode, cir, pir: cir, cbs: 1500, ebs: 1500 }, 0);
          let at = 0;
          for (const { length, gapMs } of packets) {
            assert.equal(meter.meter(length, at), GREEN);
            at += length / (cir / 8000) + gapMs + 1e-6;
          }
        }
      }),
    );
  });

  test('the marker of RFC 2697 by hand', () => {
    const meter = new Meter({ mode: METER_SINGLE_RATE, cir: 8000, cbs: 1000, ebs: 500 }, 0);
    const colours = [600, 600, 400, 100, 1].map(length => meter.meter(length, 0));
    assert.deepEqual(colours, [GREEN, RED, GREEN, YELLOW, YELLOW]);
    assert.deepEqual([meter.committed, meter.excess], [0, 399]);
    assert.equal(meter.meter(100, 1101), GREEN); // 1101 bytes: 1000 fill the one, 101 the other
    assert.deepEqual([meter.committed, meter.excess], [900, 500]);
    assert.equal(meter.meter(901, 0), RED); // a clock that goes backwards brings nothing
  });

  test('a bucket that was full all night passes its burst once', () => {
    const meter = new Meter({ mode: METER_SINGLE_RATE, cir: 8000, cbs: 1000, ebs: 0 }, 0);
    assert.equal(meter.meter(1000, 40_000_000), GREEN);
    assert.equal(meter.meter(1000, 40_000_000), RED);
  });

  test('RED by hand: debts add up until one packet is dropped', () => {
    const meter = new Meter({ mode: METER_RED, cir: 8000, cbs: 100, ebs: 1000 }, 0);
    assert.deepEqual(
      [100, 100, 100, 100, 100].map(length => meter.meter(length, 0)),
      [GREEN, YELLOW, YELLOW, YELLOW, RED],
    );
    assert.deepEqual([meter.committed, meter.excess], [-300, 0]);
    assert.equal(meter.meter(600, 0), RED); // larger than what debt is left
  });

  test('SHAPE: what waits goes at the rate, no more wait than the queue holds, early drops come before', () => {
    const meter = new Meter({ mode: METER_SHAPE, cir: 8000, cbs: 100, ebs: 100 }, 0);
    assert.equal(meter.shape(100, 0, 0), GREEN);
    let queued = 0;
    let dropped = 0;
    for (let i = 0; i < 300; i++) {
      const verdict = meter.shape(100, queued, 0);
      assert.notEqual(verdict, GREEN);
      if (verdict === YELLOW) queued++;
      else dropped++;
    }
    assert.ok(queued > 8 && queued <= SHAPE_QUEUE, `${queued}`);
    assert.ok(dropped > 0);
    let now = 0;
    let sent = 0;
    for (; queued > 0; queued--) {
      const wait = meter.readyInMs(now);
      assert.ok(wait > 0);
      now += wait;
      assert.equal(meter.readyInMs(now), 0);
      meter.sent(queued > 1 ? 100 : 0);
      sent += 100;
    }
    assert.ok(Math.abs(now - sent) < 1e-6, `${sent} bytes in ${now} ms at a byte a millisecond`);
  });

  test('options that make no sense are refused with their value', () => {
    const good = { mode: METER_SINGLE_RATE, cir: 1000, cbs: 10, ebs: 10 };
    assert.throws(() => new Meter({ ...good, mode: 4 }, 0), /not 4/);
    assert.throws(() => new Meter({ ...good, cir: -1 }, 0), /cir must be 0 or more, not -1/);
    assert.throws(() => new Meter({ ...good, cbs: Number.NaN }, 0), /cbs.*NaN/);
    assert.throws(() => new Meter({ ...good, cbs: 0, ebs: 0 }, 0), /both 0/);
    assert.throws(() => new Meter({ ...good, mode: METER_DOUBLE_RATE, pir: 999 }, 0), /999.*1000/);
    assert.throws(() => new Meter({ ...good, mode: METER_SHAPE, cir: 0 }, 0), /SHAPE/);
  });
});
