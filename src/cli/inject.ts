// `postern inject --dry-run < pod.yaml`: what the webhook would make of pods, and in what that differs.

import { Fault } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { readInjectOptions } from '../config/inject.ts'
import type { InjectOptions } from '../config/inject-shape.ts'
import { inject } from '../inject/mutate.ts'
import { at, isObject, objectAt } from '../inject/tree.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { readFile } from './subject.ts'
import { difference, readYaml, writeYaml } from './yaml.ts'

/** What a dry run touches of the world. */
export interface Printing extends Pick<Io, 'readFile'> {
  readonly write: (text: string) => unknown
}

const plainOptions = Buffer.from('{ "version": 1, "platform": "intel" }')

/** The options that `--config` names; for a dry run those of a cluster with Intel's plugin where it names none. */
export function injectOptions({ values }: Parsed, io: Pick<Io, 'readFile'>): InjectOptions {
  const file = values['config']
  if (typeof file === 'string') return readInjectOptions(readFile(file, io), file)
  return readInjectOptions(plainOptions, 'of a dry run')
}

/** @throws Fault 'usage' */
export function port(values: Parsed['values'], name: string, otherwise: number): number {
  const text = String(values[name] ?? otherwise)
  const found = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (found <= 65_535) return found
  throw new Fault('usage', `postern inject: --${name}: want a port, got ${JSON.stringify(text)}`)
}

/**
 * @param input what stands on standard input: pods, or objects with a pod template
 * @returns 0, or 1 where a pod would be denied
 * @throws Fault 'usage', 'options-invalid', 'review-malformed'
 */
export function dryRun(parsed: Parsed, input: Uint8Array, io: Printing): number {
  const options = injectOptions(parsed, io)
  const pods = readYaml(input, 'standard input').flatMap(podsOf)
  if (pods.length === 0) throw new Fault('usage', 'postern inject --dry-run: want a pod on standard input, got nothing')
  const results = pods.map(pod => ({ pod, injection: inject(pod, options) }))
  if (parsed.values['json'] === true)
    io.write(
      `${JSON.stringify(
        results.map(({ injection }) => injection),
        undefined,
        2,
      )}\n`,
    )
  else for (const { pod, injection } of results) io.write(shown(pod, injection))
  return results.some(({ injection }) => injection.outcome === 'denied') ? 1 : 0
}

function shown(pod: JsonObject, injection: ReturnType<typeof inject>): string {
  const metadata = objectAt(pod, 'metadata')
  const name = at(metadata, 'name') ?? at(metadata, 'generateName') ?? 'a pod'
  switch (injection.outcome) {
    case 'skipped':
      return `# ${name}: skipped, not a pod of a Knative revision with a queue-proxy, or opted out\n`
    case 'unchanged':
      return `# ${name}: unchanged, everything is there\n`
    case 'denied':
      return `# ${name}: denied\n${injection.reasons.map(reason => `#   ${reason}\n`).join('')}`
    case 'patched': {
      const text = writeYaml(injection.pod)
      const changes = difference(writeYaml(pod), text).replace(/^(?=.)/gm, '# ')
      return `---\n${text}# ${name}: patched, ${injection.patch.length} operations\n${changes}`
    }
  }
}

/** The pod, those of a list, or the pod that a template makes. */
function podsOf(value: Json): readonly JsonObject[] {
  if (!isObject(value)) throw new Fault('usage', 'standard input: want Kubernetes objects')
  const kind = at(value, 'kind')
  if (kind === 'Pod') return [value]
  const items = at(value, 'items')
  if (kind === 'List' && Array.isArray(items)) return items.flatMap(podsOf)
  const template = at(objectAt(value, 'spec'), 'template')
  if (isObject(template)) return [{ apiVersion: 'v1', kind: 'Pod', ...template }]
  throw new Fault(
    'usage',
    `standard input: ${String(kind)} ${String(at(objectAt(value, 'metadata'), 'name') ?? '')}: want a pod`,
  )
}
