/** What this process keeps of sandboxes that are being started: who waits, and what is on its way. */
import type { Context } from "../context.ts";
import { openReservations, type Reservations } from "./reservations.ts";
import { openSignals, type Signals } from "./signals.ts";
import { openTransfers, type Transfers } from "./transfers.ts";
import { watchWork } from "./work.ts";

export interface Desk {
  readonly context: Context;
  readonly signals: Signals;
  readonly transfers: Transfers;
  readonly reservations: Reservations;
  close(): void;
}

export function openDesk(context: Context): Desk {
  const [signals, transfers] = [openSignals(), openTransfers()];
  const stop = watchWork(context, signals);
  return {
    context,
    signals,
    transfers,
    reservations: openReservations(),
    close: () => {
      stop();
      signals.close();
      transfers.close();
    },
  };
}
