import type { Logger } from 'pino';
import type { HookDelivery, HookOutcome } from '../../coordinator/ports/hook-transport.ts';
import type { LogStore } from '../../coordinator/ports/log-store.ts';
import type { MailSettings } from '../../domain/hook/target.ts';
import { envelopeOf, sourceOf } from '../http/event-envelope.ts';
import type { HookKind } from './kind.ts';
import { logEnd } from './log-end.ts';
import { sendMail } from './mail.ts';
import { type Notification, notificationOf } from './notification.ts';
import type { Resolve } from './resolve.ts';
import { postSigned, type WebhookPlace } from './signed-post.ts';

export interface NotifyOptions {
  readonly version: string;
  readonly storeDir: string;
  readonly publicUrl?: string | undefined;
  readonly logs: Pick<LogStore, 'size' | 'read'>;
  readonly logger: Logger;
  readonly resolve: Resolve;
}

type Delivery = Omit<HookDelivery, 'target'>;

/**
 * Tells people that a derivation broke or was fixed. A webhook gets the event as any webhook does, with `change`, `summary`, `text` and
 * since when it was broken beside it (`text` is what chats show). A mail has a Message-ID that follows from the event, and that of a fix
 * answers the one of the break, so that both stand in one thread and repeats can be told.
 */
export function createNotifyTransport(options: NotifyOptions): HookKind<'notify'> {
  const { version, storeDir, publicUrl, logs, logger, resolve } = options;

  async function describe(delivery: Delivery): Promise<Notification> {
    const { event } = delivery;
    const attempt = (event.data as { attempt?: unknown } | null)?.attempt;
    const end =
      event.type === 'BuildFailed' && typeof attempt === 'number'
        ? await logEnd(logs, event.stream.slice('build-'.length), attempt)
        : undefined;
    return notificationOf(delivery, { storeDir, publicUrl, logEnd: end });
  }

  function byWebhook(place: WebhookPlace, delivery: Delivery, told: Notification, signal: AbortSignal) {
    const { event, log, traceparent } = delivery;
    const { change, summary, text } = told;
    const body = JSON.stringify({
      ...envelopeOf(event, sourceOf(log), 'read'),
      change: change.kind,
      brokensince: new Date(change.brokenSince).toISOString(),
      brokenby: change.brokenBy,
      summary,
      text,
    });
    return postSigned({ place, id: idOf(event), body, version, resolve, traceparent }, signal);
  }

  async function byMail(settings: MailSettings, delivery: Delivery, told: Notification, signal: AbortSignal) {
    const { event, facts } = delivery;
    const { change, text } = told;
    const own = idOf(event);
    const mail = {
      subject: `[drover] ${change.kind}: ${facts.name} (${facts.system})`,
      text,
      messageId: messageId(delivery, own),
      inReplyTo: change.brokenBy === own ? undefined : messageId(delivery, change.brokenBy),
      date: new Date(event.at),
      headers: { 'auto-submitted': 'auto-generated', 'x-drover-event': own, 'x-drover-change': change.kind },
    };
    const refused = await sendMail(settings, mail, resolve, signal);
    // The others have it, and would get it again and again if this counted as a failure.
    for (const answer of refused)
      logger.warn({ hook: delivery.hook, event: own }, `the mail server refused a recipient: ${answer}`);
    return { ok: true } as const;
  }

  return {
    async deliver({ target, ...delivery }, signal): Promise<HookOutcome> {
      const { webhook, mail } = target;
      try {
        const told = await describe(delivery);
        if (webhook) return await byWebhook(webhook, delivery, told, signal);
        return await byMail(mail as MailSettings, delivery, told, signal);
      } catch (error) {
        return { ok: false, error: (error as Error).message };
      }
    },
  };
}

function idOf({ stream, revision }: Delivery['event']): string {
  return `${stream}@${revision}`;
}

/** Follows from the event, the hook and the log, and is nobody else's. */
function messageId({ hook, log }: Delivery, event: string): string {
  return `<${event.replace('@', '.')}.${hook}@${log.replace(/[^0-9a-zA-Z-]/g, '-')}.drover.invalid>`;
}
