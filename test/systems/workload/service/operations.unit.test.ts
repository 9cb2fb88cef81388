/** Each operation of workload says what its proto message says. */

import t from 'tap';
import type { Operation } from '../../../../src/node/operations/operation.js';
import * as ofBroker from '../../../../src/systems/workload/service/broker/broker-operations.js';
import * as ofDatasets from '../../../../src/systems/workload/service/datasets/dataset-operations.js';
import * as ofPilots from '../../../../src/systems/workload/service/pilots/pilot-operations.js';
import * as ofSeries from '../../../../src/systems/workload/service/series/series-operations.js';
import * as ofSwitches from '../../../../src/systems/workload/service/switches/switch-operations.js';
import { loadProto } from '../../../../src/wire/proto.js';
import { differences } from '../../../node/operations/operation-contract.js';

const DECLARED: readonly Readonly<Record<string, unknown>>[] = [
  ofBroker,
  ofDatasets,
  ofPilots,
  ofSeries,
  ofSwitches,
];

for (const one of DECLARED.flatMap((declared) => Object.values(declared).filter(isOperation)))
  t.test(`${one.service}/${one.name} is what the proto file says`, async (t) => {
    t.same(differences(one, loadProto('workload')), []);
  });

function isOperation(value: unknown): value is Operation {
  return typeof value === 'object' && value !== null && 'http' in value && 'request' in value;
}
