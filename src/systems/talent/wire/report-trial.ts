/**
 * One report on a call of its own: whatever becomes of the call is that report's doing and harms no other.
 */

import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks } from './messages.js';

export type ReportCall = ClientDuplexStream<PlotTaskReport, PlotTaskReportAcks>;

/** The answer; or how the call ended without one, `error` undefined when that was in order. */
export type TrialOutcome = { readonly ack: PlotTaskReportAck } | { readonly error: unknown };

/** @param open opens a call; @param signal cancels it. Never rejects. */
export function tryAlone(
  open: () => ReportCall,
  report: PlotTaskReport,
  signal: AbortSignal,
): Promise<TrialOutcome> {
  return new Promise((resolve) => {
    const call = openedOr(open, (error) => resolve({ error }));
    if (call === undefined) return;
    const cancel = (): void => call.cancel();
    const finish = (outcome: TrialOutcome): void => {
      signal.removeEventListener('abort', cancel);
      resolve(outcome);
    };
    signal.addEventListener('abort', cancel, { once: true });
    call.on('data', ({ acks = [] }: PlotTaskReportAcks) => {
      const ack = acks.find(({ seq = 0 }) => seq === report.seq);
      if (ack !== undefined) finish({ ack });
    });
    call.on('error', (error: unknown) => finish({ error }));
    call.on('end', () => finish({ error: undefined }));
    call.write(report);
    call.end();
  });
}

/** Without a connection there may be no call at all. */
function openedOr(open: () => ReportCall, failed: (error: unknown) => void): ReportCall | undefined {
  try {
    return open();
  } catch (error) {
    failed(error);
    return undefined;
  }
}
