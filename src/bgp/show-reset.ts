// Why a session ended last, in FRR's words and with its numbers (`lastResetDueTo`, `lastResetCode`).
import { clockTime } from './show-format.ts';
import type { DownReason, SessionStats } from './session/types.ts';
import {
  Cease,
  ErrorCode,
  formatNotification,
  innerNotification,
  type PeerError,
  quoteShutdownText,
  shutdownText,
} from './wire/notification.ts';

interface Words {
  /** Of `lastResetDueTo`. */
  readonly cause: string;
  readonly code: number;
  /** The NOTIFICATION that ended it, where FRR tells it. */
  readonly error?: PeerError;
  /** Behind the cause in the text form. */
  readonly more?: string;
}

function wordsOf(reason: DownReason): Words {
  switch (reason.kind) {
    case 'notification-received':
      return { cause: 'BGP Notification received', code: 13, error: reason.error };
    case 'notification-sent': {
      const { error } = reason;
      const cease = error.code === ErrorCode.cease ? error.subcode : 0;
      if (cease === Cease.administrativeShutdown) return { cause: 'Admin. shutdown', code: 11 };
      if (cease === Cease.administrativeReset) return { cause: 'User reset', code: 12 };
      return { cause: 'BGP Notification send', code: 14, error };
    }
    case 'connection': {
      const { failure } = reason;
      return {
        cause: 'Peer closed the session',
        code: 15,
        ...(failure === undefined ? {} : { more: ` (${failure.syscall}: ${failure.code})` }),
      };
    }
    case 'stopped':
      return { cause: 'Admin. shutdown', code: 11 };
  }
}

export function resetText(reset: SessionStats['lastReset']): string {
  if (reset === undefined) return '  Last reset never';
  const { cause, error, more } = wordsOf(reset.reason);
  let text = `${cause}${more ?? ''}`;
  if (error !== undefined) {
    const inner = innerNotification(error);
    const way = reset.reason.kind === 'notification-received' ? 'received' : 'sent';
    const said = shutdownText(inner.error);
    text = `Notification ${way} (${formatNotification(inner.error)}${inner.hard ? '/Hard Reset' : ''})`;
    if (said !== undefined) text += `\n    Message: ${quoteShutdownText(said)}`;
  }
  return `  Last reset ${clockTime(reset.agoMs)},  ${text}`;
}

export function resetJson(reset: SessionStats['lastReset']): object {
  if (reset === undefined) return { lastReset: 'never' };
  const { cause, code, error } = wordsOf(reset.reason);
  const inner = error === undefined ? undefined : innerNotification(error);
  const said = inner && shutdownText(inner.error);
  const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');
  return {
    lastResetTimerMsecs: Math.floor(reset.agoMs),
    ...(inner === undefined
      ? {}
      : {
          lastErrorCodeSubcode: hex(inner.error.code) + hex(inner.error.subcode),
          lastNotificationReason: formatNotification(inner.error),
          lastNotificationHardReset: inner.hard,
          ...(said === undefined ? {} : { lastShutdownDescription: said }),
        }),
    lastResetDueTo: cause,
    lastResetCode: code,
  };
}
