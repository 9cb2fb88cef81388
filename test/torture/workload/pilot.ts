/**
 * A pilot without processes that behaves as badly as one may: it says everything up to three times, late and in disorder, dies in the
 * middle, comes back with another session, and goes on with what it had, or knows nothing of it any more but tells all the same.
 */

import { PeersClient } from '../../../src/wire/peers-client.js';
import { PilotsClient } from '../../systems/workload/support/clients.js';
import { SyntheticPilot } from '../../systems/workload/support/synthetic-pilot.js';
import type { Dice } from '../dice.js';
import type { Field } from './field.js';
import { type Grant, grantIn, writtenBy } from './grant.js';

const BEATS_EVERY_MS = 300;
const PAUSE_MS = 100;
const SLOTS = 4;
const EXECUTABLES = ['copy', 'count', 'join'];

type Told = Parameters<SyntheticPilot['tell']>[0];
type Told1 = Awaited<ReturnType<SyntheticPilot['tell']>>;

interface Held {
  readonly grant: Grant;
  cancelled: boolean;
}

export class TorturePilot {
  readonly name: string;
  private readonly device: string;
  private readonly field: Field;
  private readonly dice: Dice;
  private readonly clients: { readonly peers: PeersClient; readonly pilots: PilotsClient };
  private readonly held = new Map<string, Held>();
  /** Jobs that are just being claimed or run. */
  private readonly busy = new Set<string>();
  private readonly working = new Set<Promise<void>>();
  private current: SyntheticPilot | undefined;
  private silentMs = 0;

  constructor(field: Field, name: string, device: string, dice: Dice) {
    this.field = field;
    this.name = name;
    this.device = device;
    this.dice = dice;
    const reaching = field.reaching();
    this.clients = { peers: new PeersClient(reaching), pilots: new PilotsClient(reaching) };
  }

  /** Until the round is over: one session after another. */
  async run(): Promise<void> {
    while (!this.field.isOver) {
      await this.session();
      await this.field.rest(this.silentMs);
    }
    await Promise.all(this.working);
    this.clients.peers.close();
    this.clients.pilots.close();
  }

  /** Dies at once. @param forgets what it had is lost, and still told of by whoever did not notice */
  die(silentMs: number, forgets: boolean): boolean {
    const { current } = this;
    if (current === undefined) return false;
    this.silentMs = silentMs;
    this.current = undefined;
    current.close();
    if (forgets) this.held.clear();
    return true;
  }

  private async session(): Promise<void> {
    const { name, device, field } = this;
    const traits = { name, device, slots: SLOTS, executables: EXECUTABLES };
    const pilot = new SyntheticPilot(this.clients, traits);
    while (!field.isOver && !(await attached(pilot))) await field.rest(PAUSE_MS);
    pilot.onHint = (job, curRetry) => this.hinted(job, curRetry);
    pilot.onCancel = (_, claimId) => {
      const held = this.held.get(claimId);
      if (held !== undefined) held.cancelled = true;
    };
    this.current = pilot;
    const listening = pilot.listenSurely();
    while (this.current === pilot && !field.isOver) {
      await this.beat(pilot);
      await field.rest(BEATS_EVERY_MS);
    }
    pilot.close();
    await listening;
  }

  /** A lost lease comes back by attaching anew, as another session. */
  private async beat(pilot: SyntheticPilot): Promise<void> {
    const jobs = [...this.held.values()].map(({ grant: { job, claim_id } }) => ({
      job,
      claim_id,
      phase: 'running',
    }));
    void pilot.tell({ sample: { slots_used: jobs.length, jobs } });
    try {
      await pilot.beat();
    } catch (error) {
      if (/session|attach/.test(String(error)) && this.current === pilot) this.die(0, false);
    }
  }

  private hinted(job: string, curRetry: number): void {
    if (this.busy.has(job) || this.busy.size >= SLOTS) return;
    this.busy.add(job);
    const work = this.work(job, curRetry)
      .catch((error: unknown) =>
        this.field.violations.add(
          'went-on',
          this.name,
          `an answer nobody can do anything with: ${String(error)}`,
        ),
      )
      .finally(() => {
        this.busy.delete(job);
        this.working.delete(work);
      });
    this.working.add(work);
  }

  private async work(job: string, cur_retry: number): Promise<void> {
    const { dice, field } = this;
    const answers = await this.tellOften({ command_id: dice.uuid(), claim: { job, cur_retry } });
    const grants = answers.flatMap(({ grant }) => (grant === undefined ? [] : [grantIn(grant)]));
    const [grant] = grants;
    if (grant === undefined) return;
    for (const other of grants)
      if (other.claim_id !== grant.claim_id)
        field.violations.add(
          'answered-alike',
          job,
          `one claim was granted as ${grant.claim_id} and ${other.claim_id}`,
        );
    const held: Held = { grant, cancelled: false };
    this.held.set(grant.claim_id, held);
    await this.carryOut(held);
    this.held.delete(grant.claim_id);
  }

  private async carryOut(held: Held): Promise<void> {
    const { dice, field } = this;
    const { job, claim_id } = held.grant;
    const started = { job, claim_id, pid: 7, boot_id: 'boot', start_time: '1', inputs_checked: 1 };
    await field.rest(dice.whole(0, 100));
    const starting = this.tellOften({ command_id: `${claim_id}/started`, started });
    // Now and then the end overtakes the start.
    if (dice.chance(0.7)) await starting;
    await field.rest(dice.whole(10, dice.chance(0.1) ? 3_000 : 300));
    const ends: Told[] = [];
    if (held.cancelled)
      ends.push({ command_id: `${claim_id}/cancelled`, cancelled: { job, claim_id, processes_ended: 1 } });
    if (!held.cancelled || dice.chance(0.3)) ends.push(this.endOf(held.grant));
    await Promise.all([starting, ...dice.shuffled(ends).map((told) => this.tellOften(told))]);
  }

  private endOf(grant: Grant): Told {
    const { dice } = this;
    const { job, claim_id } = grant;
    if (dice.chance(0.85)) {
      const finished = { job, claim_id, exit_code: 0, wall_seconds: 0.5, ...writtenBy(grant) };
      return { command_id: `${claim_id}/finished`, finished };
    }
    const failure_class = dice.pick(['payload_exit', 'payload_signal', 'start_failed', 'args_invalid']);
    const failed = { job, claim_id, failure_class, detail: 'as the dice have it' };
    return { command_id: `${claim_id}/failed`, failed };
  }

  /** Up to three times, by whichever session there is. */
  private tellOften(told: Told): Promise<Told1[]> {
    const once = async () => {
      await this.field.rest(this.dice.chance(0.5) ? 0 : this.dice.whole(1, 200));
      return this.tellSurely(told);
    };
    return Promise.all(Array.from({ length: this.dice.whole(1, 3) }, once)).then((answers) => answers.flat());
  }

  private async tellSurely(told: Told): Promise<Told1[]> {
    const { field } = this;
    while (!field.isOver) {
      const { current } = this;
      if (current !== undefined) {
        field.counts.sent += 1;
        const answer = await Promise.race([current.tell(told), field.rest(2_000)]);
        if (typeof answer === 'object' && answer.retryable !== true && answer.reason !== 'stale_session')
          return [answer];
      }
      await field.rest(PAUSE_MS);
    }
    return [];
  }
}

async function attached(pilot: SyntheticPilot): Promise<boolean> {
  try {
    await pilot.attach();
    return true;
  } catch {
    // The node is away, or still holds the session before for alive.
    return false;
  }
}
