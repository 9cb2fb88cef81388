import t from 'tap';
import {
  type ConnectionSettings,
  formatEndpoint,
  parseConnectionString,
  redact,
} from '../../../../src/runtime/event-store/eventstoredb/connection/connection-string.js';
import { ofKind } from '../../../support/events.js';

const DEFAULTS = {
  discover: false,
  tls: true,
  gossipTimeoutMs: 3_000,
  keepAliveIntervalMs: 10_000,
  keepAliveTimeoutMs: 10_000,
};
const LOCAL = [{ host: 'localhost', port: 2113 }];

await t.test('what a connection string says', async (t) => {
  const cases: readonly [text: string, settings: Partial<ConnectionSettings>][] = [
    ['esdb://localhost', { hosts: LOCAL }],
    [' esdb://localhost:2113/ ', { hosts: LOCAL }],
    ['esdb://localhost?tls=false', { hosts: LOCAL, tls: false }],
    ['esdb://localhost/?tls=true', { hosts: LOCAL }],
    ['esdb+discover://db.example.org', { hosts: [{ host: 'db.example.org', port: 2113 }], discover: true }],
    [
      'esdb://a:1,b,10.0.0.3:3',
      {
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 2113 },
          { host: '10.0.0.3', port: 3 },
        ],
        discover: true,
      },
    ],
    ['esdb://[::1]:2113', { hosts: [{ host: '::1', port: 2113 }] }],
    [
      'esdb://admin:changeit@localhost',
      { hosts: LOCAL, credentials: { user: 'admin', password: 'changeit' } },
    ],
    ['esdb://a%40b:p:q@localhost', { hosts: LOCAL, credentials: { user: 'a@b', password: 'p:q' } }],
    ['esdb://u:%2F%3F%25@localhost', { hosts: LOCAL, credentials: { user: 'u', password: '/?%' } }],
    [
      'esdb://localhost?tlsCaFile=%2Fca.pem&userCertFile=/c.pem&user-key-file=/k.pem&Connection_Name=talent@1',
      {
        hosts: LOCAL,
        tlsCaFile: '/ca.pem',
        userCertFile: '/c.pem',
        userKeyFile: '/k.pem',
        connectionName: 'talent@1',
      },
    ],
    [
      'esdb://localhost?defaultDeadline=700&gossipTimeout=2&keepAliveInterval=-1&keepAliveTimeout=5000',
      {
        hosts: LOCAL,
        deadlineMs: 700,
        gossipTimeoutMs: 2_000,
        keepAliveIntervalMs: -1,
        keepAliveTimeoutMs: 5_000,
      },
    ],
    [
      'esdb://localhost?nodePreference=Leader&tlsVerifyCert=true&maxDiscoverAttempts=3&discoveryInterval=5',
      { hosts: LOCAL },
    ],
  ];
  for (const [text, settings] of cases)
    t.strictSame(parseConnectionString(text), { ...DEFAULTS, ...settings }, text);
});

await t.test('what is refused, with a reason that repeats nothing', async (t) => {
  const cases: readonly [text: string, reason: RegExp][] = [
    ['', /must be esdb:/],
    ['localhost:2113', /must be esdb:/],
    ['postgres://u:hush@localhost', /must be esdb:/],
    ['esdb://', /host 1/],
    ['esdb://a,,c', /host 2/],
    ['esdb://a:0', /host 1/],
    ['esdb://a:65536', /host 1/],
    ['esdb://u:hush@a:port', /host 1/],
    ['esdb://hush@a', /user and a password/],
    ['esdb://:hush@a', /user and a password/],
    ['esdb://u:@a', /user and a password/],
    ['esdb://u:hush%@a', /password has a %/],
    ['esdb://u:hu/sh@a', /percent-encoded/],
    ['esdb://a?tls', /option=value/],
    ['esdb://a?tls=maybe', /tls must be/],
    ['esdb://a?tlsVerifyCert=false', /tlsCaFile/],
    ['esdb://a?userKeyFile=k', /belong together/],
    ['esdb://a?defaultDeadline=0', /defaultDeadline/],
    ['esdb://a?nodePreference=random', /nodePreference/],
    ['esdb://a?colour=hush', /option colour/],
  ];
  for (const [text, reason] of cases) {
    t.throws(() => parseConnectionString(text), { ...ofKind('invalid'), message: reason }, text);
    try {
      parseConnectionString(text);
    } catch (error) {
      t.notMatch(String(error), /hush/);
    }
  }
});

await t.test('redacted for logs', async (t) => {
  t.equal(redact('esdb://localhost:2113?tls=false'), 'esdb://localhost:2113?tls=false');
  t.equal(redact('esdb://admin:changeit@localhost:2113'), 'esdb://***@localhost:2113');
  t.equal(redact('esdb+discover://a:b@c@host?x=1'), 'esdb+discover://***@host?x=1');
  t.notMatch(redact('esdb://u:hu?s/h@host?connectionName=a@b'), /hu|sh/, 'rather too much than too little');
});

await t.test('an address as a text', async (t) => {
  t.equal(formatEndpoint({ host: 'a', port: 1 }), 'a:1');
  t.equal(formatEndpoint({ host: '::1', port: 1 }), '[::1]:1');
});
