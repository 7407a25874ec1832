// Least privilege of the one container: what Kubernetes' Pod Security Standards call "restricted", written in where it is
// absent. What contradicts it is refused, not repaired: whoever asked for it should know.
// https://kubernetes.io/docs/concepts/security/pod-security-standards/

import type { JsonObject } from '../base/json.ts'
import { append, at, objectAt, put } from './tree.ts'

/** @returns a sentence for everything that an enclave neither needs nor gets */
export function forbidden(container: JsonObject, pod: JsonObject): readonly string[] {
  const own = objectAt(container, 'securityContext')
  const capabilities = objectAt(own, 'capabilities')
  const added = at(capabilities, 'add')
  const rules: readonly (readonly [broken: boolean, what: string, want: string])[] = [
    [at(own, 'privileged') === true, 'privileged', 'false'],
    [at(own, 'allowPrivilegeEscalation') === true, 'allowPrivilegeEscalation', 'false'],
    [at(own, 'readOnlyRootFilesystem') === false, 'readOnlyRootFilesystem', 'true'],
    [at(own, 'runAsNonRoot') === false, 'runAsNonRoot', 'true'],
    [effective('runAsUser', own, pod) === 0, 'runAsUser', 'none or a user other than 0'],
    [Array.isArray(added) && added.length > 0, 'capabilities.add', 'none'],
    [at(objectAt(own, 'seccompProfile'), 'type') === 'Unconfined', 'seccompProfile.type', 'RuntimeDefault'],
    [profileOf('appArmorProfile', own, pod) === 'Unconfined', 'appArmorProfile.type', 'RuntimeDefault'],
    [(at(own, 'procMount') ?? 'Default') !== 'Default', 'procMount', 'Default'],
  ]
  const found = rules
    .filter(([broken]) => broken)
    .map(([, what, want]) => `queue-proxy: securityContext.${what}: an enclave needs no privilege; want ${want}`)
  // Intel's webhook gives it to whom the annotation sgx.intel.com/quote-provider names.
  const provision = at(objectAt(objectAt(container, 'resources'), 'limits'), 'sgx.intel.com/provision') !== undefined
  return provision
    ? [...found, 'queue-proxy: sgx.intel.com/provision: quotes are made out of process; want none']
    : found
}

/** The container with every protection that it lacks. */
export function harden(container: JsonObject, pod: JsonObject): JsonObject {
  let own = objectAt(container, 'securityContext')
  for (const [key, value] of [
    ['allowPrivilegeEscalation', false],
    ['readOnlyRootFilesystem', true],
  ] as const) {
    if (at(own, key) === undefined) own = put(own, key, value)
  }
  if (effective('runAsNonRoot', own, pod) !== true) own = put(own, 'runAsNonRoot', true)
  const dropped = at(objectAt(own, 'capabilities'), 'drop')
  if (!Array.isArray(dropped) || !dropped.includes('ALL')) {
    own = put(own, 'capabilities', append(objectAt(own, 'capabilities'), 'drop', 'ALL'))
  }
  if ((profileOf('seccompProfile', own, pod) ?? 'Unconfined') === 'Unconfined') {
    own = put(own, 'seccompProfile', { type: 'RuntimeDefault' })
  }
  return put(container, 'securityContext', own)
}

/** The container's own word, else the pod's. */
const effective = (key: string, own: JsonObject, pod: JsonObject) => at(own, key) ?? at(pod, key)

const profileOf = (key: string, own: JsonObject, pod: JsonObject) =>
  at(objectAt(at(own, key) === undefined ? pod : own, key), 'type')
