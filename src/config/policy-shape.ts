// The policy document: every key, its meaning, its default. The one source of the document's type, its reader and the
// published JSON Schema. All of the format is read here, also what this version does not implement; policy.ts refuses
// that by name. Rules: a default is the safe choice, and there is no default for whom to accept or how to trust.

import { certificates, label, peerName, sanName, spiffeId, trustDomain } from './forms.ts'
import {
  array,
  byKey,
  defaulted,
  described,
  flag,
  type Infer,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  parsed,
  record,
  type Shape,
  text,
} from './shape.ts'
import { publicJwk } from './signed/keys.ts'
import { vaultShape } from './vault-shape.ts'

/** Hex of exactly `bytes` bytes, either case; read as lower case, the one spelling that comparisons see. */
const hex = (bytes: number): Shape<string> =>
  parsed({
    pattern: new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`),
    want: `${bytes * 2} hex digits`,
    as: found => found.toLowerCase(),
  })

/** RFC 3339 date-time, as milliseconds since the epoch. A day that its month does not have is refused, not rolled over. */
const instant = parsed({
  pattern: /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2})$/,
  want: 'an RFC 3339 time such as 2027-03-01T00:00:00Z',
  as: found => {
    const local = Date.parse(`${found.slice(0, 19)}Z`)
    if (Number.isNaN(local) || new Date(local).toISOString().slice(0, 19) !== found.slice(0, 19)) return undefined
    const at = Date.parse(found)
    return Number.isNaN(at) ? undefined : at
  },
})

/** One service, by its SPIFFE ID. */
export const serviceId = parsed({
  pattern: new RegExp(`^spiffe://${trustDomain}/ns/${label}/svc/${label}$`),
  want: 'spiffe://<trust domain>/ns/<namespace>/svc/<service>',
  as: id => {
    const [, namespace, name] = /\/ns\/([^/]+)\/svc\/([^/]+)$/.exec(id) ?? []
    return namespace === undefined || name === undefined ? undefined : { id, namespace, name }
  },
})

const host = text(new RegExp(`^${label}(?:\\.${label})*$`), 'a host name in lower case, without a port')
const fieldName = text(/^[a-z0-9!#$%&'*+.^_`|~-]+$/, 'a header name in lower case')
const path = text(/^\/[\x21\x22\x24-\x7e]*$/, 'a path from / on, in visible ASCII, without a fragment')
const policyName = text(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of lower-case letters, digits and hyphens')
const httpsUrl = text(/^https:\/\/[^\s/?#]+(?:\/\S*)?$/, 'an https URL')

const pin = parsed({
  pattern: /^sha256\/[A-Za-z0-9+/]{43}=$/,
  want: 'sha256/ and the base64 of the SHA-256 of a public key (SPKI DER)',
  as: found => Buffer.from(found.slice(7), 'base64').toString('hex'),
})

/** Protocols that would carry requests past the gate inside a tunnel are never tunnelled. */
const smuggling = /^(?:h2c?|http\/|tls\/)/
const upgradeToken = parsed({
  pattern: /^[a-zA-Z0-9!#$%&'*+.^_`|~-]+(?:\/[a-zA-Z0-9!#$%&'*+.^_`|~-]+)?$/,
  want: 'an Upgrade token other than h2c, HTTP and TLS, or "*"',
  as: found => (smuggling.test(found.toLowerCase()) ? undefined : found.toLowerCase()),
})

const until = described('The entry accepts nobody from this instant on.', optional(instant))
const kss = {
  isvExtProdId: described('Extended product id (KSS).', optional(hex(16))),
  isvFamilyId: described('Product family id (KSS).', optional(hex(16))),
  configId: described('Configuration id (KSS).', optional(hex(64))),
  minConfigSvn: described('Lowest configuration version (KSS).', optional(integer(0, 0xffff))),
}
const enclave = byKey({
  mrenclave: object({ mrenclave: described('Measurement of one build.', hex(32)), ...kss, until }),
  mrsigner: object({
    mrsigner: described('SHA-256 of the key that signs the builds.', hex(32)),
    isvProdId: described('Product number; one signer signs many products.', integer(0, 0xffff)),
    minIsvSvn: described('Lowest security version.', integer(0, 0xffff)),
    ...kss,
    until,
  }),
})

const tcb = object({
  profile: described(
    'Which TCB states of a platform are accepted.',
    defaulted(oneOf('strict', 'swHardeningOk', 'dangerOutOfDate'), 'strict'),
  ),
  advisories: described(
    'With profile swHardeningOk: advisories that may apply to a platform that needs software hardening.',
    defaulted(array(text(/^INTEL-SA-[0-9]{5}$/, 'INTEL-SA-<nnnnn>')), []),
  ),
  minEvaluationDataNumber: described(
    'Lowest evaluation data numbers of the collateral.',
    defaulted(nullable(object({ tcbInfo: integer(0, 1e9), qeIdentity: integer(0, 1e9) })), null),
  ),
  minTcbDate: described('Oldest TCB date.', defaulted(nullable(instant), null)),
  minCrlNumber: described(
    'Lowest numbers of the revocation lists.',
    defaulted(nullable(object({ root: integer(0, 1e9), pck: integer(0, 1e9) })), null),
  ),
  minIssueDate: described(
    'Oldest date at which TCB info, QE identity and PCK revocation list may have been issued.',
    defaulted(nullable(instant), null),
  ),
})

const peer = object({
  enclaves: described('Who is accepted; an empty list accepts nobody.', array(enclave)),
  tcb: defaulted(tcb, {}),
  platforms: described(
    'Platform instance ids or PPIDs of known machines; empty: any platform.',
    defaulted(array(hex(16)), []),
  ),
  policyDigests: described('Digests of policies that a peer may run under; empty: any.', defaulted(array(hex(32)), [])),
  dangerAllowDebug: described('Accept enclaves whose memory a debugger may read.', defaulted(flag, false)),
})

const inbound = object({
  plaintext: described(
    'What the plain ports answer: health checks only, or requests too.',
    defaulted(oneOf('probes-only', 'serve'), 'probes-only'),
  ),
  clients: defaulted(
    object({
      mode: described('Client certificates on the TLS port.', defaulted(oneOf('none', 'optional', 'required'), 'none')),
      bundle: described('Trust anchors of rules about names.', optional(certificates(64))),
      allow: described(
        'Which clients: all that an entry says must hold.',
        defaulted(
          array(
            object({
              spiffeId: described('By a CA of the bundle: SPIFFE ID.', optional(spiffeId)),
              san: described('By a CA of the bundle: a DNS name, address or URI.', optional(sanName)),
              accept: described('By evidence: which of peers.', optional(text(peerName, 'a key of peers'))),
            }),
          ),
          [],
        ),
      ),
    }),
    {},
  ),
  http2: defaulted(
    object({
      extendedConnect: described(
        'Whether clients of HTTP/2 may open WebSockets and other tunnels of upstream.upgrade.allow (RFC 8441).',
        defaulted(flag, false),
      ),
    }),
    {},
  ),
  identityHeader: described('Header that tells the container who calls.', defaulted(nullable(fieldName), null)),
  strip: described(
    'Request headers that are removed before the container sees them.',
    defaulted(array(fieldName), ['client-cert', 'client-cert-chain', 'x-forwarded-client-cert']),
  ),
})

const identity = object({
  source: described(
    'Which certificate is shown.',
    defaulted(oneOf('self-signed', 'provision', 'vault', 'files'), 'self-signed'),
  ),
  lifetimeSeconds: described('Life of a certificate that we make.', defaulted(integer(60, 7_776_000), 86_400)),
  legacyExtension: described("Also carry evidence in Gramine's legacy extension.", defaulted(flag, false)),
  provision: described(
    'The attesting CA.',
    optional(object({ url: httpsUrl, accept: text(peerName, 'a key of peers') })),
  ),
  vault: described('Vault or OpenBao as the issuer.', optional(vaultShape)),
  allowUnattestedIssuer: described(
    'Take certificates from an issuer that whoever holds a token or file of the host can log in to as well.',
    defaulted(flag, false),
  ),
  dangerAcceptForeignKey: described('Accept a private key that was born outside the enclave.', defaulted(flag, false)),
})

const upstream = object({
  mode: described('How the container is trusted.', oneOf('attested', 'ca', 'pinned', 'plaintext')),
  trust: described(
    'With mode attested: its measurement and our service, role and platform; or its measurement alone. Default: service.',
    optional(oneOf('service', 'measurement')),
  ),
  protocol: described(
    'HTTP version towards the container; mirror: what came in; auto: what it chooses (ALPN).',
    defaulted(oneOf('mirror', 'auto', 'http/1.1', 'h2'), 'mirror'),
  ),
  accept: described('With mode attested: which of peers.', optional(text(peerName, 'a key of peers'))),
  clientCertificate: described('Show our certificate to the container.', defaulted(flag, false)),
  maxConnectionAgeSeconds: described(
    'A connection to the container takes no new request after this long.',
    defaulted(integer(1, 86_400), 3600),
  ),
  freshness: described(
    "With mode attested: how old the container's evidence may be; challenge: made for each connection. Default: issued.",
    optional(oneOf('issued', 'challenge', 'none')),
  ),
  upgrade: defaulted(
    object({
      allow: described(
        'Upgrade tokens that may become a tunnel; "*" alone: any.',
        defaulted(array(upgradeToken), ['websocket']),
      ),
    }),
    {},
  ),
  allowUnframed: described('Pass on responses that end with the connection.', defaulted(flag, false)),
  probe: described('Readiness request; without it, a handshake.', optional(object({ path }))),
  ca: described(
    'With mode ca: trust anchors and the name that the certificate must carry.',
    optional(object({ bundle: certificates(64), san: sanName })),
  ),
  pins: described("With mode pinned: the container's public keys.", optional(array(pin))),
})

const collateralSource = object({
  kind: described(
    "Intel's service, a data centre's cache, Azure's cache, a directory, or what a peer brings along in its certificate.",
    oneOf('pcs', 'pccs', 'azure', 'directory', 'stapled'),
  ),
  at: described(
    "Its URL, or a directory's path; Intel and Azure have one of their own.",
    optional(text(/^\S+$/, 'a URL or a path')),
  ),
  rootCrlAt: described("With kind pcs: URL of the root's revocation list.", optional(text(/^\S+$/, 'a URL'))),
})

const collateral = object({
  sources: described(
    'Where collateral may come from, in the order in which it is asked for.',
    defaulted(array(collateralSource), []),
  ),
  update: described(
    'Evaluation data as Intel gives it to everybody, or to those who ask early.',
    defaulted(oneOf('standard', 'early'), 'standard'),
  ),
  evaluationDataNumber: described(
    'Exactly this evaluation data number; null: what the sources give.',
    defaulted(nullable(integer(1, 1e9)), null),
  ),
  maxAgeSeconds: described(
    'Oldest TCB info, QE identity and PCK revocation list, whatever date they name themselves; null: as old as they say.',
    defaulted(nullable(integer(0, 31_536_000)), null),
  ),
  dangerPastNextUpdateSeconds: described(
    'Use collateral for this long after its next update.',
    defaulted(integer(0, 31_536_000), 0),
  ),
})

const observed = ['method', 'status', 'route', 'bytes', 'duration', 'traceId'] as const
/** What may be remembered of a request; '*' stands for everything that the contract's request log can name. */
export type Observed = (typeof observed)[number] | '*'

const observe = object({
  allow: described(
    'What may leave in logs, metrics and spans; "*" alone: anything.',
    defaulted(array(oneOf(...observed, '*')), [...observed]),
  ),
  otlp: described('Where spans and metrics are sent.', defaulted(nullable(httpsUrl), null)),
  sealTo: described('Public key that records are sealed to.', defaulted(nullable(text(/^\S+$/, 'a key')), null)),
})

/** A SPIFFE ID or the beginning of one, cut at a slash. */
const spiffePrefix = text(
  new RegExp(`^spiffe://${trustDomain}(?:/[A-Za-z0-9._-]+)*/?$`),
  'a SPIFFE ID, or the beginning of one up to a slash',
)

const signer = object({
  kid: described('Name of the key, as the header of its signatures has it.', text(/^[\x21-\x7e]{1,64}$/, 'a key id')),
  jwk: described('The public key; it alone says by which algorithm it signs.', publicJwk),
  services: described('For which services: SPIFFE IDs, and beginnings of them up to a slash.', array(spiffePrefix)),
  may: described(
    'Which keys of the policy it may set, as dotted paths.',
    array(text(/^[a-zA-Z0-9.-]+$/, 'a dotted policy path')),
  ),
  narrowOnly: described('It may narrow what stands here, and fill nothing that was left open.', defaulted(flag, false)),
  minSerial: described('Lowest serial that counts.', defaulted(integer(0, Number.MAX_SAFE_INTEGER), 0)),
  maxLifetimeSeconds: described('Longest time between nbf and exp.', defaulted(integer(1, 31_536_000), 2_592_000)),
})

const channels = ['podinfo', 'rootCa', 'configMap'] as const
/** Where Knative, or whoever mounts, puts a signed policy. */
export type Channel = (typeof channels)[number]

const signed = object({
  required: described("Start only with a signed policy of the service's own.", defaulted(flag, false)),
  from: described('Where a signed policy is looked for.', defaulted(array(oneOf(...channels)), [])),
  signers: described('Who may sign, for which services, and what.', defaulted(array(signer), [])),
})

/** The whole document. */
export const policyShape = object({
  version: described('Version of this format.', oneOf(1)),
  name: described('Name of the policy, for logs.', policyName),
  service: described(
    'The one service that this proxy is for; its namespace and name are checked at start.',
    defaulted(nullable(serviceId), null),
  ),
  hosts: described('Host names under which the service is called.', defaulted(array(host), [])),
  limits: defaulted(
    object({
      concurrency: described(
        'Most requests at once in the container; the environment may only lower it. null: no ceiling.',
        defaulted(nullable(integer(1, 1_000_000)), null),
      ),
    }),
    {},
  ),
  inbound: defaulted(inbound, {}),
  identity: defaulted(identity, {}),
  upstream,
  peers: described(
    'Sets of enclaves, by name.',
    defaulted(record(peerName, 'a name of lower-case letters, digits and hyphens', peer), {}),
  ),
  collateral: defaulted(collateral, {}),
  observe: defaulted(observe, {}),
  signed: defaulted(signed, {}),
  dangerSyntheticRoot: described(
    'Root of synthetic evidence, in PEM; only in the policy named demo.',
    optional(certificates(1)),
  ),
})

// Parts that stand by themselves elsewhere.
export { collateral as collateralShape, peer as peerShape }

export type PolicyDocument = Infer<typeof policyShape>

/** The published JSON Schema, draft 2020-12. */
export function policySchema(): Readonly<Record<string, unknown>> {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'postern policy', ...policyShape.schema }
}
