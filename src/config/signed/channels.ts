// Where a signed policy is looked for: what Knative mounts into its sidecar or sets for it. All of it is the host's word,
// so all that is taken is one token, whose signature decides. Read once, at the start: another policy is another process.

import { describe, Fault } from '../../base/errors.ts'
import type { Get } from '../env.ts'
import type { Channel } from '../policy-shape.ts'
import { maxTokenBytes } from './jws.ts'
import type { Delivered } from './payload.ts'

export interface HostSide {
  readonly get: Get
  /** At most so many bytes of a file; undefined where there is none. @throws where it cannot be read, or is longer */
  readonly readFile: (path: string, most: number) => Uint8Array | undefined
}

export const annotation = 'postern.dev/policy'
const annotationsFile = '/etc/podinfo/annotations'
const configMapFile = '/etc/postern/policy.jws'
const rootCaPrefix = 'postern-policy:'

/** Kubernetes takes 256 KiB of annotations for an object; quoting can make four bytes of one, and more of few. */
const maxAnnotationsBytes = 2 * 1024 * 1024

/**
 * The token that was delivered, or undefined where there is none.
 * @param from channels that the base policy names; no other is looked at
 * @throws Fault 'policy-invalid' where a channel cannot be read, or two of them hold one
 */
export function findSigned(from: readonly Channel[], host: HostSide): Delivered | undefined {
  const found = [...new Set(from)].map(channel => readers[channel](host)).filter(each => each !== undefined)
  const [first, second] = found
  if (first && second) throw refused(`there is a signed policy in ${first.from} and in ${second.from}: want one`)
  return first
}

type Reader = (host: HostSide) => Delivered | undefined

const readers: Readonly<Record<Channel, Reader>> = {
  podinfo(host) {
    const text = fileText(annotationsFile, maxAnnotationsBytes, host)
    const token = text === undefined ? undefined : annotationOf(text)
    return token === undefined ? undefined : { token, from: `the annotation ${annotation}` }
  },
  rootCa({ get }) {
    const value = get('ROOT_CA') ?? ''
    // Anything else is what the variable is for: a certificate.
    if (!value.startsWith(rootCaPrefix)) return undefined
    return { token: value.slice(rootCaPrefix.length), from: 'ROOT_CA' }
  },
  configMap(host) {
    const text = fileText(configMapFile, maxTokenBytes + 1, host)
    // A text file ends in a line end, which is none of the token's bytes.
    return text === undefined ? undefined : { token: text.replace(/\n$/, ''), from: configMapFile }
  },
}

/**
 * The one annotation that is ours. The downward API writes a line for each, `key="value"` with the value quoted as Go's
 * strconv.Quote does; a token has nothing to escape, so whatever was escaped is none.
 * @throws Fault 'policy-invalid'
 */
function annotationOf(text: string): string | undefined {
  const [line, second] = text.split('\n').filter(each => each.startsWith(`${annotation}=`))
  if (line === undefined) return undefined
  if (second !== undefined) throw refused(`${annotationsFile}: ${annotation} stands there twice`)
  const token = /^"([A-Za-z0-9._-]*)"$/.exec(line.slice(annotation.length + 1))?.[1]
  if (token !== undefined) return token
  const cure = line.includes('\\n') ? '; it has a line end in it' : ''
  throw refused(`${annotationsFile}: want the bare token as the value of ${annotation}${cure}`)
}

function fileText(path: string, most: number, { readFile }: HostSide): string | undefined {
  try {
    const bytes = readFile(path, most)
    return bytes && Buffer.from(bytes).toString('latin1')
  } catch (cause) {
    throw refused(`${path}: ${cause instanceof Fault ? cause.message : describe(cause)}`, cause)
  }
}

function refused(what: string, cause?: unknown): Fault {
  return new Fault('policy-invalid', what, { cause })
}
