// What an operator of the attesting CA does: look at it, sign for it, unlock it, check its log. Loaded only when asked for.

import type { EvidenceVerb } from './verbs.ts'

const policy = {
  name: 'policy',
  value: 'NAME|FILE',
  required: true,
  help: "a proxy's policy with the source provision: where the CA is and whom it may be",
}
const policies = { name: 'policies', value: 'FILE', required: true, help: 'the policy set, JSON' }
const revocations = { name: 'revocations', value: 'FILE', required: true, help: 'the revocation set, JSON' }
const chain = {
  name: 'chain',
  value: 'FILE',
  help: "PEM: the CA's certificate, and what stands between it and the root that its options name; the first time, and for a new one",
}

export const caVerbs: readonly EvidenceVerb[] = [
  {
    name: 'ca state',
    summary: 'judge the evidence of the attesting CA, and print what a statement that unlocks it is about',
    usage: '--policy NAME|FILE',
    flags: [policy],
    run: async (parsed, io) => (await import('./ca.ts')).showState(parsed, io),
  },
  {
    name: 'ca bundle',
    summary: 'judge the evidence of the attesting CA, and print whom to trust for certificates of its making, PEM',
    usage: '--policy NAME|FILE',
    flags: [policy],
    run: async (parsed, io) => (await import('./ca.ts')).showBundle(parsed, io),
  },
  {
    name: 'ca csr',
    summary:
      'judge the evidence of the attesting CA, and print its request for a certificate: for the root above it to sign',
    usage: '--policy NAME|FILE',
    flags: [policy],
    run: async (parsed, io) => (await import('./ca.ts')).showRequest(parsed, io),
  },
  {
    name: 'ca sign',
    summary: 'sign a statement that unlocks the attesting CA with these sets, and print it',
    usage: '--state FILE --policies FILE --revocations FILE [--chain FILE] --key FILE [--kid ID]',
    flags: [
      { name: 'state', value: 'FILE', required: true, help: 'what postern ca state has printed' },
      policies,
      revocations,
      chain,
      { name: 'key', value: 'FILE', required: true, help: 'private key in PEM, P-256 or Ed25519' },
      { name: 'kid', value: 'ID', help: "the key's name in the CA's options (default: its RFC 7638 thumbprint)" },
    ],
    run: async (parsed, io) => (await import('./ca.ts')).signStatement(parsed, io),
  },
  {
    name: 'ca unlock',
    summary: 'judge the evidence of the attesting CA, and give it a statement with its sets',
    usage: '--policy NAME|FILE --statement FILE --policies FILE --revocations FILE [--chain FILE]',
    flags: [
      policy,
      { name: 'statement', value: 'FILE', required: true, help: 'what postern ca sign has printed' },
      policies,
      revocations,
      chain,
    ],
    run: async (parsed, io) => (await import('./ca.ts')).unlock(parsed, io),
  },
  {
    name: 'ca audit',
    summary: "check that no line of the attesting CA's audit log was changed or left out",
    usage: 'FILE',
    positionals: [{ name: 'FILE', help: 'its output, other lines included' }],
    flags: [],
    run: async (parsed, io) => (await import('./ca.ts')).checkAudit(parsed, io),
  },
  {
    name: 'ca digest',
    summary: "print what the attesting CA's evidence names its options by, for the policyDigests of others",
    usage: 'FILE',
    positionals: [{ name: 'FILE', help: 'its options, byte for byte as they were measured' }],
    flags: [],
    run: async (parsed, io) => (await import('./ca-digest.ts')).digestOptions(parsed, io),
  },
]
