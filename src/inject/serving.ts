// Which port of an ordinary pod the proxy forwards to. Knative has a rule for it, one container with one port; here the pod
// declares what it likes, so what is not clear is refused rather than guessed: a wrong guess would put the proxy in front of
// somebody else's port and leave the right one open.

import type { JsonObject } from '../base/json.ts'
import { at, objectsAt, textAt } from './tree.ts'

export interface Served {
  /** Name of the container that serves. */
  readonly container: string
  /** Its port, 1 to 65535. */
  readonly port: number
  /** HTTP/2 with prior knowledge, by the port's name, as in Knative. */
  readonly h2c: boolean
}

/** What the proxy listens on; a pod has one network, so nobody else in it may. */
export const proxyPorts: readonly number[] = [8012, 8013, 8022, 8112, 9090, 9091]

interface Declared extends Served {
  readonly name: string
  readonly onHost: boolean
}

/**
 * @param containers of the pod, but for the proxy's own
 * @param asked name or number of a port, where the pod says one
 * @param reasons receives a sentence for each thing that is in the way
 * @param settled whether the pod has its proxy already: containers may have come since
 * @returns undefined where a reason was given
 */
export function servedBy(
  containers: readonly JsonObject[],
  asked: string | undefined,
  reasons: string[],
  settled = false,
): Served | undefined {
  const declared = containers.flatMap(portsOf)
  for (const { container, port } of declared.filter(each => proxyPorts.includes(each.port))) {
    reasons.push(`${container}: port ${port}: the proxy's (${proxyPorts.join(', ')}); let the container have another`)
  }
  const found = declared.filter(({ name, port }) => asked === undefined || name === asked || String(port) === asked)
  const [first = undeclared(settled ? containers.slice(0, 1) : containers, asked), ...more] = found
  const only = more.length === 0 ? first : undefined
  if (only === undefined) {
    const there = declared.map(({ container, name, port }) => `${container} ${name || port}`).join(', ') || 'none'
    reasons.push(`annotation postern.dev/port: want name or number of one port of one container, of these: ${there}`)
    return undefined
  }
  if (only.onHost) reasons.push(`${only.container}: port ${only.port}: hostPort leads past the proxy; take it out`)
  if (found.length === 0 && proxyPorts.includes(only.port)) {
    reasons.push(`annotation postern.dev/port: ${only.port} is the proxy's; let the container have another`)
  }
  return only
}

/** Declaring a port is a courtesy in Kubernetes: a single container may serve on one that it did not declare. */
function undeclared(containers: readonly JsonObject[], asked: string | undefined): Declared | undefined {
  const [container, ...others] = containers
  const port = /^[1-9][0-9]{0,4}$/.test(asked ?? '') ? Number(asked) : 0
  if (container === undefined || others.length > 0 || port < 1 || port > 65_535) return undefined
  return { container: nameOf(container), port, h2c: false, name: '', onHost: false }
}

function portsOf(container: JsonObject): readonly Declared[] {
  return objectsAt(container, 'ports')
    .filter(each => (at(each, 'protocol') ?? 'TCP') === 'TCP')
    .map(each => {
      const name = textAt(each, 'name')
      const port = portAt(each)
      return {
        container: nameOf(container),
        port,
        h2c: name === 'h2c',
        name,
        onHost: at(each, 'hostPort') !== undefined,
      }
    })
}

const portAt = (declared: JsonObject): number => {
  const port = at(declared, 'containerPort')
  return typeof port === 'number' ? port : 0
}

const nameOf = (container: JsonObject): string => textAt(container, 'name')
