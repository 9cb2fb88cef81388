/** Which addresses count as one peer. */

import t from 'tap';
import { networkOf } from '../../../src/node/serving/peers-network.js';

t.test('an address of IPv4 is one, whichever way it is written; a network of IPv6 is one', async (t) => {
  for (const [address, network] of [
    ['10.0.0.7', '10.0.0.7'],
    ['::ffff:10.0.0.7', '10.0.0.7'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:1:2::7', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:2:aaaa:bbbb:cccc:dddd', '2001:db8:1:2::/64'],
    ['2001:db8::7', '2001:db8:0:0::/64'],
    ['2001:db8::', '2001:db8:0:0::/64'],
    ['64:ff9b::10.0.0.7', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64%eth0'],
    ['', ''],
  ] as const)
    t.equal(networkOf(address), network, address);
  t.not(networkOf('2001:db8:1:2::7'), networkOf('2001:db8:1:3::7'));
});
