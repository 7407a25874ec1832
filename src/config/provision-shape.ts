// The attesting CA's documents: every key, its meaning, its default. Its options are measured with it and say who may
// unlock it and which enclaves there are at all; the two sets change from day to day, come by way of the host, and count
// because an operator has signed their digests.

import { collateralShape, peerShape, serviceId } from './policy-shape.ts'
import {
  array,
  defaulted,
  described,
  flag,
  type Infer,
  integer,
  object,
  oneOf,
  optional,
  parsed,
  record,
  text,
} from './shape.ts'
import { publicJwk } from './signed/keys.ts'

const hex = (least: number, most = least) =>
  parsed({
    pattern: new RegExp(`^(?:[0-9a-fA-F]{2}){${least},${most}}$`),
    want: least === most ? `${least * 2} hex digits` : `hex of ${least} to ${most} bytes`,
    as: found => found.toLowerCase(),
  })
const peerName = /^[a-z][a-z0-9-]{0,62}$/
const pem = text(/^-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*$/, 'a certificate in PEM')
const maxSerial = Number.MAX_SAFE_INTEGER

const operator = object({
  kid: described('Name of the key, as the header of its signatures has it.', text(/^[\x21-\x7e]{1,64}$/, 'a key id')),
  jwk: described('The public key; it alone says by which algorithm it signs.', publicJwk),
})

const keyShape = object({
  source: described(
    'Where its key is: in memory, so that each start has another; or in a file of an encrypted mount.',
    defaulted(oneOf('memory', 'sealed'), 'memory'),
  ),
  folder: described(
    'The encrypted mount.',
    defaulted(
      text(/^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/, 'an absolute path without . and ..'),
      '/var/lib/postern-ca',
    ),
  ),
  sealedTo: described(
    'Who can read the file, on the same machine: this measurement alone, or whatever its signer signs for the same product.',
    defaulted(oneOf('mrenclave', 'mrsigner'), 'mrenclave'),
  ),
  dangerPlainFile: described(
    'The file is not sealed: whoever reads it is the CA. Only in options named demo, never in an enclave.',
    defaulted(flag, false),
  ),
})

export const provisionShape = object({
  version: described('Version of this format.', oneOf(1)),
  name: described('Name of the CA, for logs and certificates.', text(peerName, 'a name of lower-case letters')),
  trustDomain: described(
    'SPIFFE trust domain; no service outside of it gets a certificate.',
    text(/^[a-z0-9][a-z0-9._-]{0,254}$/, 'a SPIFFE trust domain'),
  ),
  operators: described('Who may unlock it.', array(operator)),
  lifetimeSeconds: described(
    'Life of a certificate; less than 60 only with synthetic evidence.',
    defaulted(integer(5, 86_400), 3600),
  ),
  unlockedSeconds: described(
    'For how long a statement unlocks it, from the time that it names: so long a host may go on with what was revoked since.',
    defaulted(integer(60, 31_536_000), 2_592_000),
  ),
  peers: described('Sets of enclaves, by name.', record(peerName, 'a name of lower-case letters', peerShape)),
  key: defaulted(keyShape, {}),
  root: described(
    'Root above the CA, in PEM: its certificate comes with the statement that unlocks it. Absent: it is its own root.',
    optional(pem),
  ),
  collateral: defaulted(collateralShape, {}),
  dangerSyntheticRoot: described('Root of synthetic evidence, in PEM; only in options named demo.', optional(pem)),
})

/** Who gets a certificate: policies that are in force, and for which service each of them is. */
export const policySetShape = object({
  version: oneOf(1),
  serial: described('Never lower than that of an earlier set.', integer(0, maxSerial)),
  policies: array(
    object({
      digest: described('What evidence names the policy by: postern policy digest.', hex(32)),
      role: described('Which part of a deployment runs under it.', oneOf('proxy', 'workload')),
      service: serviceId,
      accept: described('Which of the peers that the options name it may be.', text(peerName, 'a key of peers')),
      serial: described("Of the policy's signed part; 0: it has none.", defaulted(integer(0, maxSerial), 0)),
    }),
  ),
})

/** Who gets no certificate any more, and whose counts no more. */
export const revocationSetShape = object({
  version: oneOf(1),
  serial: described('Never lower than that of an earlier set.', integer(0, maxSerial)),
  certificates: described('Serial numbers, for the revocation list.', defaulted(array(hex(1, 20)), [])),
  policies: described('Digests.', defaulted(array(hex(32)), [])),
  enclaves: described('Measurements.', defaulted(array(hex(32)), [])),
  platforms: described('Platform instance ids or PPIDs.', defaulted(array(hex(16)), [])),
})

export type ProvisionDocument = Infer<typeof provisionShape>
export type PolicySet = Infer<typeof policySetShape>
export type RevocationSet = Infer<typeof revocationSetShape>

/** JSON Schema, draft 2020-12, of the options. */
export const provisionSchema = (): Readonly<Record<string, unknown>> => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'postern provision',
  ...provisionShape.schema,
})
