// Anybody's proxy, from the command line: --contender name=COMMAND, or name=FILE.json with a description.
//
//   { "summary": "…", "command": ["./proxy", "--listen", "{port}", "--to", "{scheme}://127.0.0.1:{backendPort}"],
//     "env": { "NAME": "value" }, "knative": true, "legs": ["h-h", "tls-h"], "limit": true, "ports": { "h": 8012 },
//     "fixedPorts": [9090] }
//
// Only `command` is needed. `{port}`, `{tlsPort}`, `{backendPort}`, `{scheme}` (of the backend), `{certificate}`, `{key}`
// (PEM files), `{folder}` (for its own files), `{limit}` and `{spare0}`, `{spare1}`, `{spare2}` (free ports) are replaced in
// arguments and environment. With `knative` it gets the environment of a queue-proxy. `ports` are those that it listens
// on whatever it is told. It is ready when it gives the backend's answer.

import { readFileSync } from 'node:fs'
import { Fault } from '../../src/base/errors.ts'
import {
  array,
  type Complaint,
  defaulted,
  flag,
  integer,
  object,
  oneOf,
  optional,
  record,
  text,
  told,
  unfit,
} from '../../src/config/shape.ts'
import type { Contender, Site } from './contender.ts'
import { knativeEnv } from './knative.ts'

const words = text(/^[^\0]{0,4000}$/, 'text')
const port = integer(1, 65_535)
const shape = object({
  summary: optional(words),
  command: array(words),
  env: defaulted(record(/^[A-Za-z_]\w*$/, 'the name of a variable', words), {}),
  knative: defaulted(flag, false),
  legs: defaulted(array(oneOf('h-h', 'h-tls', 'tls-h', 'tls-tls')), ['h-h']),
  limit: defaulted(flag, false),
  ports: defaulted(object({ h: optional(port), tls: optional(port) }), {}),
  fixedPorts: defaulted(array(port), []),
})

/** @param given `name=…` @throws Fault 'usage' that says what is wrong with it */
export function customContender(given: string): Contender {
  const [, name = '', value = ''] = /^([a-z0-9][a-z0-9.-]{0,40})=(.+)$/.exec(given) ?? []
  if (name === '') throw new Fault('usage', `--contender: want NAME=COMMAND or NAME=FILE.json, got "${given}"`)
  const document = value.endsWith('.json')
    ? readDescription(value)
    : { command: value.trim().split(/\s+/), knative: true }
  const complaints: Complaint[] = []
  const found = shape.read(document, '', complaints)
  if (found === unfit) throw new Fault('usage', `--contender ${name}: ${complaints.map(told).join('; ')}`)
  const { summary, command, env, knative, legs, limit, ports, fixedPorts } = found
  const [file] = command
  if (!file) throw new Fault('usage', `--contender ${name}: /command: want a program, got none`)
  return {
    name,
    summary: summary ?? command.join(' '),
    missing: () => undefined,
    cannot(scenario, leg) {
      if (!legs.includes(leg)) return `its description has only the legs ${legs.join(', ')}`
      return scenario.limit > 0 && !limit ? 'its description has no limit' : undefined
    },
    fixedPorts: [...fixedPorts, ...[ports.h, ports.tls].filter(each => each !== undefined)],
    ports: { ...(ports.h !== undefined && { h: ports.h }), ...(ports.tls !== undefined && { tls: ports.tls }) },
    version: () => 'as given',
    command(site) {
      const fill = filler(site)
      const [program = file, ...args] = command.map(fill)
      const usual = knative ? knativeEnv(site) : { PATH: process.env['PATH'] ?? '' }
      const own = Object.fromEntries(Object.entries(env).map(([key, text]) => [key, fill(text)]))
      return { file: program, args, env: { ...usual, ...own } }
    },
  }
}

function readDescription(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    const why = error instanceof SyntaxError ? 'is not JSON' : 'cannot be read'
    throw new Fault('usage', `--contender: ${path} ${why}`)
  }
}

function filler({ ports, spare, upstream, backendPort, limit, folder, pair }: Site): (text: string) => string {
  const values: Readonly<Record<string, string | number | undefined>> = {
    port: ports.h,
    tlsPort: ports.tls,
    backendPort,
    scheme: upstream === 'tls' ? 'https' : 'http',
    certificate: pair.certificate,
    key: pair.key,
    folder,
    limit,
    ...Object.fromEntries(spare.map((each, i) => [`spare${i}`, each])),
  }
  return text => text.replace(/\{(\w+)\}/g, (whole, name) => String(Object.hasOwn(values, name) ? values[name] : whole))
}
