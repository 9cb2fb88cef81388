/**
 * A pilot within the process of its node: it claims and reports by what the service does with claims and reports, without a wire, so
 * that thousands of its jobs take seconds. It has no processes, and its lease is not watched.
 */

import { randomUUID } from 'node:crypto';
import type { JobSnapshot } from '../../../../machines/workload/job.js';
import { Grants } from '../../../../src/systems/workload/service/jobs/grants.js';
import { job } from '../../../../src/systems/workload/service/jobs/job-commands.js';
import { type JobOrder, JobOrders } from '../../../../src/systems/workload/service/jobs/job-orders.js';
import { queue } from '../../../../src/systems/workload/service/jobs/job-upkeep.js';
import { JobReports } from '../../../../src/systems/workload/service/pilots/job-reports.js';
import { pilotKind } from '../../../../src/systems/workload/service/pilots/pilot-kind.js';
import { SeenFiles } from '../../../../src/systems/workload/service/pilots/seen-files.js';
import { SeenPlaces } from '../../../../src/systems/workload/service/pilots/seen-places.js';
import type { WorkloadContext } from '../../../../src/systems/workload/service/workload-context.js';
import { nameOfAttempt } from '../../../../src/systems/workload/wire/attempt-names.js';
import { until } from '../../../support/until.js';

const MD5 = '0cc175b9-c0f1-b6a8-31c3-99e269772661';
const SHA = 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb';

export interface InnerClaim {
  readonly job: string;
  readonly claimId: string;
  readonly attempt: number;
}

export class InnerPilot {
  readonly name: string;
  private readonly context: WorkloadContext;
  private readonly session = randomUUID();
  private readonly orders: JobOrders;
  private readonly grants: Grants;
  private readonly reports: JobReports;

  /** @param context of the node that it is connected to */
  constructor(context: WorkloadContext, name: string) {
    this.name = name;
    this.context = context;
    this.orders = new JobOrders(context.runtime.store);
    const files = new SeenFiles(context.clock);
    const places = new SeenPlaces(context, files);
    this.grants = new Grants(context, this.orders, places);
    this.reports = new JobReports(context, this.orders, { files, places });
  }

  async attach(): Promise<this> {
    const data = {
      ...{ peer_id: this.name, session_id: this.session, lease_seconds: 60, attached_time: 1 },
      ...{ device_type: 'cpu', slots: 100, executables: ['sort'] },
    };
    await this.context.system.execute(pilotKind.type, this.name, {
      decide: () => [{ type: 'PilotAttached', data }],
    });
    return this;
  }

  /** As the executor does it. */
  async queue(uid: string): Promise<void> {
    await this.context.system.execute(job, uid, {
      by: 'executor',
      decide: (snapshot) => queue(snapshot, 'inner', 'b'),
    });
  }

  async stateOf(uid: string): Promise<JobSnapshot> {
    return (await this.context.system.read(job, uid)).snapshot;
  }

  /** @throws JobRefusedError */
  async claim(uid: string, curRetry = 0, commandId: string = randomUUID()): Promise<InnerClaim> {
    const { snapshot } = await this.context.system.read(pilotKind.type, this.name);
    const claim = { pilot: this.name, sessionId: this.session, commandId, job: uid, curRetry };
    const { claim_id: claimId, attempt } = await this.grants.grant(claim, snapshot, this.name);
    return { job: uid, claimId, attempt };
  }

  async started({ job: uid, claimId }: InnerClaim): Promise<void> {
    const process = { pid: 7, boot_id: 'b', start_time: '1', inputs_checked: 1 };
    await this.reports.started({ job: uid, claim_id: claimId, ...process }, this.sender);
  }

  async finished({ job: uid, claimId, attempt }: InnerClaim): Promise<void> {
    const order = await this.orders.of(uid);
    if (order === undefined) throw new Error(`there is no job ${uid}`);
    const told = { job: uid, claim_id: claimId, exit_code: 0, wall_seconds: 0.5 };
    await this.reports.finished({ ...told, ...writtenBy(order, attempt) }, this.sender);
  }

  async failed({ job: uid, claimId }: InnerClaim, failureClass: string): Promise<void> {
    const told = { job: uid, claim_id: claimId, failure_class: failureClass, detail: 'it failed' };
    await this.reports.failed(told, this.sender);
  }

  /** Nothing of it runs any more. */
  async cancelled({ job: uid, claimId }: InnerClaim): Promise<void> {
    await this.reports.cancelled({ job: uid, claim_id: claimId, processes_ended: 1 }, this.sender);
  }

  /** The same, as soon as it is told to end it. */
  async endCancelled(claim: InnerClaim): Promise<void> {
    await until('it is to be ended', async () => (await this.stateOf(claim.job)).value === 'cancelling');
    await this.cancelled(claim);
  }

  private get sender() {
    return { pilot: this.name, sessionId: this.session, by: this.name };
  }
}

function writtenBy({ outputs, log, task = '' }: JobOrder, attempt: number) {
  const written = ({ uid, file_name }: JobOrder['log']) => ({
    ...{
      uid,
      file_name,
      path: `${task}/${nameOfAttempt(file_name, attempt)}`,
      size: 4,
      check_sum: MD5,
      sha256: SHA,
    },
  });
  return { outputs: outputs.map(written), log: written(log) };
}
