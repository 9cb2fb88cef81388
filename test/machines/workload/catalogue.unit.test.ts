/** The catalogue: datasets of an order are entered together, each order behind the one before it. */

import t from 'tap';
import type { CatalogueEvent } from '../../../machines/workload/catalogue.js';
import { catalogue } from '../../../src/systems/workload/service/datasets/dataset-types.js';
import { happens, specificationOf } from '../../support/given.js';

const given = specificationOf(catalogue);
const entered = (first: number, ...names: string[]): CatalogueEvent => ({
  type: 'DatasetsEntered',
  data: { first, datasets: names.map((name) => ({ uid: `uid of ${name}`, name })) },
});
const refused = { kind: 'refused', message: /is not possible/ } as const;

t.test('an order begins where the one before it ended, and is never empty', async (t) => {
  given([])
    .when(happens(entered(0, 'a', 'b')))
    .then(t, [entered(0, 'a', 'b')], { context: { entered: 2 } });
  const some = given([entered(0, 'a', 'b')]);
  some.when(happens(entered(2, 'c'))).then(t, [entered(2, 'c')], { context: { entered: 3 } });
  for (const event of [entered(1, 'c'), entered(3, 'c'), entered(2)])
    some.when(happens(event)).then(t, refused);
});
