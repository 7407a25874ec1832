// The chart's values, said once: `node deploy/values.ts > deploy/chart/values.schema.json`. The options of the injector
// are the very shape that it reads itself. JSON Schema as Helm 3 reads it: draft 7.

import { injectShape } from '../src/config/inject-shape.ts'
import { anyObject, array, defaulted, described, flag, integer, object, oneOf, text } from '../src/config/shape.ts'

const any = text(/^.*$/, 'a string')
const quantity = text(/^[0-9.]+(?:[KMGTPE]i|[numkMGTPE])?$/, 'a quantity')
const amounts = object({ cpu: defaulted(quantity, '50m'), memory: defaulted(quantity, '128Mi') })
const name = text(/^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/, 'a name of lower-case letters, digits, hyphens and dots')

const repository = text(/^[a-z0-9][A-Za-z0-9._:/-]*$/, 'an image without tag')

export const valuesShape = object({
  image: object({
    repository,
    tag: text(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/, 'a tag'),
    digest: described(
      'Instead of the tag',
      text(/^(?:sha256:[0-9a-f]{64})?$/, 'sha256: and 64 hex digits, or nothing'),
    ),
    pullPolicy: oneOf('Always', 'IfNotPresent', 'Never'),
  }),
  imagePullSecrets: array(object({ name })),
  replicas: integer(1, 20),
  resources: object({ requests: amounts, limits: object({ memory: quantity }) }),
  priorityClassName: any,
  nodeSelector: anyObject,
  tolerations: array(anyObject),
  options: described('What the injector does to pods', injectShape),
  webhook: object({
    failurePolicy: oneOf('Fail', 'Ignore'),
    timeoutSeconds: integer(1, 30),
    excludedNamespaces: array(name),
  }),
  tls: object({
    certManager: flag,
    secretName: name,
    caBundle: described('PEM in base64, where cert-manager does not write it', text(/^[A-Za-z0-9+/=]*$/, 'base64')),
  }),
  require: flag,
  networkPolicy: flag,
  istio: flag,
  podMonitor: flag,
  provision: described(
    'The attesting CA',
    object({
      enabled: flag,
      image: object({
        repository,
        digest: text(/^sha256:[0-9a-f]{64}$/, 'sha256: and 64 hex digits'),
      }),
      epcMiB: integer(64, 65_536),
      memory: quantity,
      keyClaim: described(
        'A PersistentVolumeClaim for a key that is sealed',
        text(/^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)?$/, 'a name, or nothing'),
      ),
      aesmFolder: text(/^(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)+$/, 'an absolute path without . and ..'),
      nodeSelector: anyObject,
    }),
  ),
})

/** JSON Schema. `global` is Helm's own key. */
export function valuesSchema(): object {
  const { properties, ...rest } = valuesShape.schema as { properties: object }
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    ...rest,
    properties: { ...properties, global: { type: 'object' } },
  }
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(valuesSchema(), null, 2)}\n`)
