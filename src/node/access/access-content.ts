/**
 * What stands in the file of who is known to a node.
 *
 * Guarantee: a file that is damaged or can't be meant is refused with the place, and nothing of what it holds is repeated but names of keys.
 */

import { z } from 'zod';
import { OwlError } from '../../base/errors.js';
import { isId } from '../../base/field-rules.js';
import { jsonFault } from '../../base/json-fault.js';
import { ROLES } from './roles.js';

export const MOST_ENTRIES = 10_000;

const IS_OBJECT: z.core.$ZodObjectParams = {
  error: (issue) =>
    issue.code === 'unrecognized_keys' ? `must not hold ${issue.keys.join(', ')}` : 'must be an object',
};
const Name = z
  .string('must be a name')
  .refine((name) => isId(name) === undefined, 'must be a name of 64 characters at most');
const HASH_RULE = 'must be a SHA-256 in hex';
const Hash = z.string(HASH_RULE).regex(/^[0-9a-f]{64}$/, HASH_RULE);
const Time = z.string('must be a time');
export const Entry = z.strictObject(
  {
    name: Name,
    roles: z
      .array(z.enum(ROLES, `must be one of ${ROLES.join(', ')}`), 'must be a list of roles')
      .min(1, 'must name a role'),
    /** Speaks for this worker alone. */
    worker_id: Name.optional(),
    /** Hash of its token; without one it shows a certificate. */
    sha256: Hash.optional(),
    added: Time,
  },
  IS_OBJECT,
);
const Revoked = z.strictObject({ name: Name, sha256: Hash.optional(), revoked: Time }, IS_OBJECT);
const Content = z.strictObject(
  {
    version: z.literal(1, 'must be 1'),
    /** The data directory is of a node from before there were roles. */
    from_before: z.boolean('must be true or false').default(false),
    entries: z.array(Entry, 'must be a list').max(MOST_ENTRIES, `must hold ${MOST_ENTRIES} at most`),
    revoked: z.array(Revoked, 'must be a list'),
  },
  IS_OBJECT,
);

export type AccessEntry = z.infer<typeof Entry>;
export type RevokedEntry = z.infer<typeof Revoked>;
export type AccessContent = z.infer<typeof Content>;

/** @param path for the message. @throws OwlError kind `invalid` */
export function accessContent(path: string, text: string): AccessContent {
  const fault = jsonFault(text);
  if (fault !== undefined)
    throw notMeant(path, `it is no JSON from line ${fault.line}, column ${fault.column} on`);
  const parsed = Content.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues
    .slice(0, 5)
    .map(({ path: at, message }) => `${at.length === 0 ? 'it' : at.join('.')} ${message}`);
  throw notMeant(path, faults.join('; '));
}

function notMeant(path: string, why: string): OwlError {
  return new OwlError(
    'invalid',
    `${path} can't be meant: ${why}. Change it with \`owl access\` alone; once it is deleted the next start makes a new one, in which nobody is known`,
  );
}
