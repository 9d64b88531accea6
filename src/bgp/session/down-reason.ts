// Why a session went down, for the log.
import {
  formatNotification,
  innerNotification,
  type PeerError,
  quoteShutdownText,
  shutdownText,
} from '../wire/notification.ts';
import type { DownReason } from './types.ts';

export function formatDownReason(reason: DownReason): string {
  switch (reason.kind) {
    case 'notification-received':
      return `BGP Notification received: ${formatNotification(reason.error)}${said(reason.error)}`;
    case 'notification-sent':
      return `BGP Notification send: ${formatNotification(reason.error)}${said(reason.error)}`;
    case 'connection':
      return reason.failure === undefined
        ? 'Peer closed the session'
        : `${reason.failure.syscall}: ${reason.failure.code}`;
    case 'stopped':
      return 'Stopped';
  }
}

/** An operator's words (RFC 9003). */
function said(error: PeerError): string {
  const text = shutdownText(innerNotification(error).error);
  return text === undefined ? '' : ` ${quoteShutdownText(text)}`;
}
