import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findCommand, ngMesg, NGM_HASREPLY, NGM_READONLY } from '../../../src/netgraph/message/command.ts';
import { fromBinary, parseAscii, printAscii, toBinary } from '../../../src/netgraph/message/form.ts';
import {
  connect,
  NGM_GENERIC_COOKIE,
  GENERIC_COMMANDS,
  hookList,
  mkPeer,
  nameList,
} from '../../../src/netgraph/message/generic.ts';

test('numbers and names are those of ng_message.h', () => {
  assert.equal(NGM_GENERIC_COOKIE, 1137070366);
  const numbers = GENERIC_COMMANDS.map(({ cmd }) => cmd & ~(NGM_READONLY | NGM_HASREPLY));
  assert.deepEqual(
    numbers,
    Array.from({ length: 14 }, (_, i) => i + 1),
  );
  assert.equal(findCommand(GENERIC_COMMANDS, 'listhooks')?.cmd, 0x3000_0007);
  assert.equal(findCommand(GENERIC_COMMANDS, 'textconfig')?.cmd, 14);
  assert.equal(findCommand(GENERIC_COMMANDS, 'nonsense'), undefined);
});

test('struct ngm_mkpeer and ngm_connect', () => {
  const made = toBinary(mkPeer, { type: 'hole', ourhook: 'a', peerhook: 'b' });
  assert.equal(made.length, 96);
  assert.deepEqual([made[0], made[32], made[64]], [0x68, 0x61, 0x62]);
  assert.equal(toBinary(connect, { path: 'foo:', ourhook: 'a', peerhook: 'b' }).length, 576);
});

test('struct hooklist: 72 bytes of the node, 136 of each link', () => {
  const text =
    '{ nodeinfo={ name="bnet0" type="bridge" id=0x1f hooks=1 } linkinfo=[ { ourhook="link0" peerhook="lower" ' +
    'nodeinfo={ name="fxp0" type="ether" id=0x3 hooks=2 } } ] }';
  const value = parseAscii(hookList, text);
  const bytes = toBinary(hookList, value);
  assert.equal(bytes.length, 72 + 136);
  assert.deepEqual([bytes[64], bytes[68], bytes[72 + 64 + 64]], [0x1f, 1, 3]);
  assert.equal(printAscii(hookList, fromBinary(hookList, bytes)), text);
  assert.equal(toBinary(nameList, nameList.makeDefault()).length, 4);
});

test('struct ng_mesg: a header of 56 bytes', () => {
  const bytes = toBinary(ngMesg, {
    version: 8,
    spare: 0,
    spare2: 0,
    arglen: 3,
    cmd: 0x3000_0007,
    flags: 1,
    token: 5,
    typecookie: NGM_GENERIC_COOKIE,
    cmdstr: 'listhooks',
    data: Uint8Array.of(7, 8, 9),
  });
  assert.equal(bytes.length, 60);
  assert.deepEqual(
    [...bytes.subarray(0, 24)],
    [8, 0, 0, 0, 3, 0, 0, 0, 7, 0, 0, 0x30, 1, 0, 0, 0, 5, 0, 0, 0, 0x1e, 0x51, 0xc6, 0x43],
  );
  assert.deepEqual([...bytes.subarray(56, 59)], [7, 8, 9]);
});
