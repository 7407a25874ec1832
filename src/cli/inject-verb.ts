// How `postern inject` is called. By itself, so that no other command loads what it needs.

import type { Verb } from './args.ts'

export const injectDefaults = { certificates: '/etc/postern/tls', port: 8443, sidePort: 8080 } as const

const { certificates, port, sidePort } = injectDefaults

export const injectVerb: Verb = {
  name: 'inject',
  summary: 'run the admission webhook that gives pods their proxy and its enclave device; or say what it would do',
  usage:
    '--config FILE [--certificates DIR] [--port N] [--side-port N] | --dry-run [--config FILE] [--json] < OBJECTS.yaml',
  flags: [
    { name: 'config', value: 'FILE', help: 'platform, bounds and mounts, JSON (src/config/inject.schema.json)' },
    { name: 'certificates', value: 'DIR', help: `folder with tls.crt and tls.key (default ${certificates})` },
    { name: 'port', value: 'N', help: `for the API server, HTTPS (default ${port})` },
    { name: 'side-port', value: 'N', help: `for probes and metrics, HTTP (default ${sidePort})` },
    {
      name: 'dry-run',
      help: 'read pods or Deployments from standard input, print them as injected and the difference',
    },
    { name: 'json', help: 'with --dry-run: print the outcomes and patches as JSON' },
  ],
}
