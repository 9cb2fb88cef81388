/** An owner as a process, to be killed or frozen: `node run-owner.js DIRECTORY STARTS`, the latter as JSON. Says `ready`. */

import { systemClock } from '../../../src/base/clock.js';
import { linkTo, type StartByOwner } from './kept.js';

const [data = '', given = '[]'] = process.argv.slice(2);
const starts: readonly StartByOwner[] = JSON.parse(given);
const { link } = linkTo(data);
await link.open();
for (const { deadline_in_ms, ...start } of starts) {
  const deadline =
    deadline_in_ms === undefined ? {} : { deadline_ms: systemClock.sinceBoot() + deadline_in_ms };
  await link.start({ ...start, ...deadline });
}
process.stdout.write('ready\n');
setInterval(() => undefined, 60_000);
