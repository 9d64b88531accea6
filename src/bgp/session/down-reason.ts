// Why a session went down, for the log and `show`.
import { formatNotification } from '../wire/notification.ts';
import type { DownReason } from './types.ts';

export function formatDownReason(reason: DownReason): string {
  switch (reason.kind) {
    case 'notification-received':
      return `BGP Notification received: ${formatNotification(reason.error)}`;
    case 'notification-sent':
      return `BGP Notification send: ${formatNotification(reason.error)}`;
    case 'connection':
      return reason.failure === undefined
        ? 'Peer closed the session'
        : `${reason.failure.syscall}: ${reason.failure.code}`;
    case 'stopped':
      return 'Stopped';
  }
}
