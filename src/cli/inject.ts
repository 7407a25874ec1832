// `postern inject --dry-run < pod.yaml`: what the webhook would make of pods, and in what that differs. An object with a
// template of pods is printed whole, with the pod's part as it would be: where no webhook runs, it can be applied as it is.

import { Fault } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'
import { readInjectOptions } from '../config/inject.ts'
import type { InjectOptions } from '../config/inject-shape.ts'
import { askedLabel } from '../inject/adopt.ts'
import { inject } from '../inject/mutate.ts'
import { at, isObject, objectAt, put } from '../inject/tree.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { readFile } from './subject.ts'
import { difference, readYaml, writeYaml } from './yaml.ts'

/** What a dry run touches of the world. */
export interface Printing extends Pick<Io, 'readFile'> {
  readonly write: (text: string) => unknown
}

const plainOptions = Buffer.from(
  '{ "version": 1, "platform": "intel", "sidecar": { "image": "registry.example/postern-enclave" } }',
)

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
  const objects = readYaml(input, 'standard input').flatMap(itemsOf)
  const found = objects.map(carrierOf).filter(each => each !== undefined)
  if (found.length === 0) {
    const got = objects.map(titleOf).join(', ') || 'nothing'
    throw new Fault('usage', `postern inject --dry-run: want a pod on standard input, or what makes some; got ${got}`)
  }
  const results = found.map(carrier => ({ carrier, injection: inject(carrier.pod, options) }))
  if (parsed.values['json'] === true)
    io.write(
      `${JSON.stringify(
        results.map(({ injection }) => injection),
        undefined,
        2,
      )}\n`,
    )
  else for (const { carrier, injection } of results) io.write(shown(carrier, injection))
  return results.some(({ injection }) => injection.outcome === 'denied') ? 1 : 0
}

/** An object that is a pod or makes some. */
interface Carrier {
  readonly object: JsonObject
  readonly pod: JsonObject
  /** The object with another pod in it. */
  readonly carrying: (pod: JsonObject) => JsonObject
}

function shown({ object, carrying }: Carrier, injection: ReturnType<typeof inject>): string {
  const metadata = objectAt(object, 'metadata')
  const name = at(metadata, 'name') ?? at(metadata, 'generateName') ?? 'a pod'
  switch (injection.outcome) {
    case 'skipped':
      return `# ${name}: skipped, neither a pod of a Knative revision with a queue-proxy nor one with the label ${askedLabel}: "true", or opted out\n`
    case 'unchanged':
      return `# ${name}: unchanged, everything is there\n`
    case 'denied':
      return `# ${name}: denied\n${injection.reasons.map(reason => `#   ${reason}\n`).join('')}`
    case 'patched': {
      const text = writeYaml(carrying(injection.pod))
      const changes = difference(writeYaml(object), text).replace(/^(?=.)/gm, '# ')
      return `---\n${text}# ${name}: patched, ${injection.patch.length} operations\n${changes}`
    }
  }
}

const titleOf = (object: JsonObject): string =>
  `${String(at(object, 'kind'))} ${String(at(objectAt(object, 'metadata'), 'name') ?? '')}`.slice(0, 80)

/** An object, or those of a list. */
function itemsOf(value: Json): readonly JsonObject[] {
  if (!isObject(value)) throw new Fault('usage', 'standard input: want Kubernetes objects')
  const items = at(value, 'items')
  return at(value, 'kind') === 'List' && Array.isArray(items) ? items.flatMap(itemsOf) : [value]
}

/** A pod, or an object with a template of pods; undefined for any other, which is nobody's to inject into. */
function carrierOf(object: JsonObject): Carrier | undefined {
  if (at(object, 'kind') === 'Pod') return { object, pod: object, carrying: pod => pod }
  const spec = at(object, 'spec')
  const template = isObject(spec) ? at(spec, 'template') : undefined
  if (!isObject(spec) || !isObject(template)) return undefined
  const carrying = ({ apiVersion: _, kind: __, ...filled }: JsonObject): JsonObject =>
    put(object, 'spec', put(spec, 'template', filled))
  return { object, pod: { apiVersion: 'v1', kind: 'Pod', ...template }, carrying }
}
