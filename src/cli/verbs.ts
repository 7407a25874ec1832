// The verbs for people who look at evidence: quotes, live peers, policies, and what an enclave is built from. Each is
// loaded only when it is asked for, so that the proxy carries none of them.

import type { Parsed, Verb } from './args.ts'
import type { Io } from './io.ts'

export interface EvidenceVerb extends Verb {
  /** @returns the exit code: 0 done or accepted, 1 refused. @throws Fault 'usage' */
  readonly run: (parsed: Parsed, io: Io) => Promise<number>
}

const json = { name: 'json', help: 'print one JSON object' }
const policy = {
  name: 'policy',
  value: 'NAME|FILE',
  help: 'whom to trust: confidential, compatible, demo, or a JSON file',
}

export const evidenceVerbs: readonly EvidenceVerb[] = [
  {
    name: 'quote inspect',
    summary: 'show what a quote says, without verifying any of it',
    usage: 'FILE [--json]',
    positionals: [{ name: 'FILE', help: 'a quote (bytes or hex), or a certificate with one in it (PEM or DER)' }],
    flags: [json],
    run: async (parsed, io) => (await import('./quote-inspect.ts')).inspectQuote(parsed, io),
  },
  {
    name: 'quote verify',
    summary: "verify a quote by Intel's procedure; with a policy, also judge the enclave",
    usage: '--quote FILE --at TIME [--collateral DIR] [--root FILE] [--policy NAME|FILE] [--json]',
    flags: [
      { name: 'quote', value: 'FILE', required: true, help: 'a quote (bytes or hex), or a certificate with one in it' },
      {
        name: 'at',
        value: 'TIME',
        required: true,
        help: 'the time to verify for, such as 2026-03-01T00:00:00Z; or: now',
      },
      {
        name: 'collateral',
        value: 'DIR',
        help: 'TCB info, QE identity, revocation lists; not needed for synthetic quotes',
      },
      { name: 'root', value: 'FILE', help: "trust anchor, PEM or DER (default: Intel's root, or the policy's)" },
      policy,
      json,
    ],
    run: async (parsed, io) => (await import('./quote-verify.ts')).verifyQuoteFile(parsed, io),
  },
  {
    name: 'verify',
    summary: 'connect to a live peer, judge its evidence, say nothing to it',
    usage: 'HOST:PORT --policy NAME|FILE [--json]',
    positionals: [{ name: 'HOST:PORT', help: 'where it listens for TLS' }],
    flags: [{ ...policy, required: true }, json],
    run: async (parsed, io) => (await import('./verify.ts')).verifyPeer(parsed, io),
  },
  {
    name: 'policy check',
    summary: 'say whether a policy can be used, and what is dangerous or weak in it',
    usage: 'FILE|NAME [--json]',
    positionals: [{ name: 'FILE|NAME', help: policy.help }],
    flags: [json],
    run: async (parsed, io) => (await import('./policy.ts')).checkPolicy(parsed, io),
  },
  {
    name: 'policy explain',
    summary: 'say in sentences what a policy does',
    usage: 'FILE|NAME',
    positionals: [{ name: 'FILE|NAME', help: policy.help }],
    flags: [],
    run: async (parsed, io) => (await import('./policy.ts')).explainPolicy(parsed, io),
  },
  {
    name: 'policy sign',
    summary: "sign a service's own part of a policy, and print it",
    usage: '--key FILE --service ID --serial N --grant FILE [--kid ID] [--from TIME] [--days N] [--policy NAME|FILE]',
    flags: [
      { name: 'key', value: 'FILE', required: true, help: 'private key in PEM, P-256 or Ed25519' },
      { name: 'service', value: 'ID', required: true, help: 'spiffe://<trust domain>/ns/<namespace>/svc/<service>' },
      { name: 'serial', value: 'N', required: true, help: 'higher than that of every earlier one' },
      { name: 'grant', value: 'FILE', required: true, help: 'JSON object: values by dotted path of the policy' },
      { name: 'kid', value: 'ID', help: "the key's name in the base policy (default: its RFC 7638 thumbprint)" },
      { name: 'from', value: 'TIME', help: 'from when on it counts (default: now)' },
      { name: 'days', value: 'N', help: 'for how long (default: 30)' },
      { name: 'policy', value: 'NAME|FILE', help: 'the base policy: refuse to sign what it would refuse' },
    ],
    run: async (parsed, io) => (await import('./policy-sign.ts')).signPolicy(parsed, io),
  },
  {
    name: 'policy key',
    summary: "show a key as a base policy's signed.signers names it",
    usage: 'FILE [--kid ID]',
    positionals: [{ name: 'FILE', help: 'private or public key in PEM, P-256 or Ed25519' }],
    flags: [{ name: 'kid', value: 'ID', help: 'its name (default: its RFC 7638 thumbprint)' }],
    run: async (parsed, io) => (await import('./policy-sign.ts')).showKey(parsed, io),
  },
  {
    name: 'policy verify',
    summary: 'verify a signed policy against its base, and show what would be in force',
    usage: 'JWS --policy NAME|FILE [--at TIME] [--json]',
    positionals: [{ name: 'JWS', help: 'file with the token' }],
    flags: [
      { name: 'policy', value: 'NAME|FILE', required: true, help: 'the base policy' },
      { name: 'at', value: 'TIME', help: 'the time to verify for, such as 2026-03-01T00:00:00Z (default: now)' },
      json,
    ],
    run: async (parsed, io) => (await import('./policy-verify.ts')).verifyPolicy(parsed, io),
  },
  {
    name: 'policy digest',
    summary: 'print what evidence names a policy by, with or without its signed part',
    usage: 'NAME|FILE [JWS]',
    positionals: [
      { name: 'NAME|FILE', help: 'the base policy' },
      { name: 'JWS', help: 'file with the token; verified but for its dates', optional: true },
    ],
    flags: [],
    run: async (parsed, io) => (await import('./policy-verify.ts')).digestPolicy(parsed, io),
  },
  {
    name: 'policy import',
    summary: "make a policy of another tool's accepted enclaves, and say what is not carried over",
    usage: 'FILE --from gramine|marblerun|measurements [--name NAME] [--accept PEER] [--json]',
    positionals: [
      { name: 'FILE', help: 'RA_TLS_* variables as env prints them, a MarbleRun manifest, or a measurements.json' },
    ],
    flags: [
      { name: 'from', value: 'FORMAT', required: true, help: 'which of the three it is' },
      { name: 'name', value: 'NAME', help: 'name of the policy (default: imported)' },
      {
        name: 'accept',
        value: 'PEER',
        help: 'where there are several sets of enclaves: the one that the container is of',
      },
      json,
    ],
    run: async (parsed, io) => (await import('./policy-import.ts')).importPolicy(parsed, io),
  },
  {
    name: 'manifest lint',
    summary: 'say what makes a Gramine manifest unfit for an enclave, and what to write instead',
    usage: 'FILE [--json]',
    positionals: [{ name: 'FILE', help: 'the manifest, as given to gramine-manifest or as signed' }],
    flags: [json],
    run: async (parsed, io) => (await import('./manifest-lint.ts')).lintManifest(parsed, io),
  },
  {
    name: 'measure',
    summary: 'verify the signature of a SIGSTRUCT and show what it measures; with another, compare the two',
    usage: 'SIGSTRUCT [OTHER] [--json | --policy]',
    positionals: [
      { name: 'SIGSTRUCT', help: 'the .sig file that gramine-sgx-sign writes' },
      { name: 'OTHER', help: 'a second one; exit code 1 where they differ', optional: true },
    ],
    flags: [
      json,
      { name: 'policy', help: "print the two entries that a policy's peers.NAME.enclaves can have for it" },
    ],
    run: async (parsed, io) => (await import('./measure.ts')).measure(parsed, io),
  },
]
