/** An owner as a process, to be killed or frozen: `node run-owner.js DIRECTORY STARTS`, the latter as JSON. Says `ready`. */

import { linkTo } from './kept.js';

const [data = '', starts = '[]'] = process.argv.slice(2);
const { link } = linkTo(data);
await link.open();
for (const start of JSON.parse(starts)) await link.start(start);
process.stdout.write('ready\n');
setInterval(() => undefined, 60_000);
