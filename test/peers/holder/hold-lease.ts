/**
 * A peer as a process: `node hold-lease.js SERVER CATEGORY SESSION DATA`. It acts every 20 ms while it may, and prints a line for
 * what happens, with the time of the wall clock: `acted 1700000000000`.
 */

import { systemClock } from '../../../src/base/clock.js';
import { LeaseHolder } from '../../../src/peers/holder/lease-holder.js';
import { peerCalls } from '../../../src/peers/holder/peer-calls.js';
import { PeersClient } from '../../../src/wire/peers-client.js';
import { localCredentials } from '../../support/local-credentials.js';

const [server = '', category = '', session_id = '', data = ''] = process.argv.slice(2);
const say = (what: string): void => void process.stdout.write(`${what} ${Date.now()}\n`);
const client = new PeersClient({ server, credentials: localCredentials(data) });
const holder = new LeaseHolder({
  calls: peerCalls(client, {
    ...{ category, session_id, peer_id: 'p', protocol_min: 1, protocol_max: 1 },
    ...{ pid: process.pid, body: '{"slots":2}' },
  }),
  clock: systemClock,
  hooks: {
    attached: () => say('attached'),
    pause: () => say('paused'),
    resume: () => say('resumed'),
    end: () => say('ended'),
    fenced: () => say('fenced'),
  },
});
holder.start();
const acting = setInterval(() => {
  if (holder.mayAct()) say('acted');
}, 20);
await holder.ended();
clearInterval(acting);
client.close();
