// How `postern provision` is called. By itself, so that no other command loads what it needs.

import type { Verb } from './args.ts'

export const provisionVerb: Verb = {
  name: 'provision',
  summary: 'run the attesting CA, which certifies enclaves by their evidence; locked until an operator unlocks it',
  usage: '--options FILE [--port N] [--side-port N]',
  flags: [
    { name: 'options', value: 'FILE', required: true, help: 'operators, trust domain, enclaves, its key: JSON' },
    { name: 'port', value: 'N', help: 'for whoever wants a certificate, HTTPS (default 8443)' },
    { name: 'side-port', value: 'N', help: 'for probes and metrics, HTTP (default 8080)' },
  ],
}
